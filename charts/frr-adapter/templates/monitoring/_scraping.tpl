{{/* How both kinds of monitors scrape. Takes a list: the root, the values of the monitor, and controller or speaker. */}}
{{- define "frr-adapter.scraping" -}}
{{- $monitor := index . 1 -}}
{{- if include "frr-adapter.hasSecureMetrics" (list (index . 0) (index . 2)) -}}
scheme: https
# Certificates are for addresses that change with the pod; the token is what counts, and it is for this cluster only.
tlsConfig:
  insecureSkipVerify: true
{{- else -}}
scheme: http
{{- end }}
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "frr-adapter.severity" -}}
{{- with .labels }}
labels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "frr-adapter.pools" -}}
{{- with .excludePools -}}
{pool!~{{ . | quote }}}
{{- end }}
{{- end }}
