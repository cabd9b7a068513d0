{{/* Both take a list: the root, and the values of the program. */}}

{{- define "frr-adapter.podAnnotations" -}}
{{- $root := index . 0 }}
{{- $scraped := and $root.Values.prometheus.scrapeAnnotations $root.Values.prometheus.metricsPort }}
{{- $own := (index . 1).podAnnotations }}
annotations:
  kubectl.kubernetes.io/default-container: {{ ternary "speaker" "controller" (hasKey (index . 1) "memberlist") }}
  {{- if $scraped }}
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ $root.Values.prometheus.metricsPort | quote }}
  {{- end }}
  {{- with $own }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "frr-adapter.podCommons" -}}
{{- $own := index . 1 }}
{{- with (index . 0).Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $own.terminationGracePeriodSeconds }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $own.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
