{{/* How both kinds of monitors scrape. Takes a list: the root, and the values of the monitor. */}}
{{- define "frr-adapter.scraping" -}}
{{- $monitor := index . 1 -}}
scheme: http
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
