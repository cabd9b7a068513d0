{{- define "frr-adapter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "frr-adapter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "frr-adapter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "frr-adapter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "frr-adapter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "frr-adapter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "frr-adapter.controller.serviceAccount" -}}
{{- default (printf "%s-controller" (include "frr-adapter.fullname" .)) .Values.controller.serviceAccount.name }}
{{- end }}

{{- define "frr-adapter.speaker.serviceAccount" -}}
{{- default (printf "%s-speaker" (include "frr-adapter.fullname" .)) .Values.speaker.serviceAccount.name }}
{{- end }}

{{/* The Secret that speakers share; the controller makes it. Empty where speakers do not watch each other. */}}
{{- define "frr-adapter.memberlistSecret" -}}
{{- if and .Values.speaker.enabled .Values.speaker.memberlist.enabled }}
{{- default (printf "%s-memberlist" (include "frr-adapter.fullname" .)) .Values.speaker.secretName }}
{{- end }}
{{- end }}

{{- define "frr-adapter.hasWebhook" -}}
{{- if and .Values.controller.enabled (ne .Values.controller.webhookMode "disabled") }}yes{{ end }}
{{- end }}

{{/* Takes a list: the root, and controller or speaker. */}}
{{- define "frr-adapter.metricsSecret" -}}
{{- $tls := (index . 0).Values.tls }}
{{- ternary $tls.controllerMetricsTLSSecret $tls.speakerMetricsTLSSecret (eq (index . 1) "controller") }}
{{- end }}

{{- define "frr-adapter.hasSecureMetrics" -}}
{{- $root := index . 0 }}
{{- if and $root.Values.prometheus.metricsPort (or $root.Values.prometheus.secure (include "frr-adapter.metricsSecret" .)) }}yes{{ end }}
{{- end }}

{{- define "frr-adapter.metricsPortName" -}}
{{- ternary "metricshttps" "metrics" (not (empty (include "frr-adapter.hasSecureMetrics" .))) }}
{{- end }}

{{/* Flags that both programs have. Takes the same list. */}}
{{- define "frr-adapter.commonFlags" -}}
{{- $root := index . 0 -}}
- --port={{ $root.Values.prometheus.metricsPort }}
- --health-probe-port=17472
- --log-level={{ (index $root.Values (index . 1)).logLevel }}
{{- with $root.Values.loadBalancerClass }}
- --lb-class={{ . }}
{{- end }}
{{- if include "frr-adapter.hasSecureMetrics" . }}
- --metrics-secure
{{- if include "frr-adapter.metricsSecret" . }}
- --metrics-cert-dir=/etc/metrics-cert
{{- end }}
{{- end }}
{{- with $root.Values.tls.minVersion }}
- --tls-min-version={{ . }}
{{- end }}
{{- with $root.Values.tls.cipherSuites }}
- --tls-cipher-suites={{ . }}
{{- end }}
{{- with $root.Values.tls.curvePreferences }}
- --tls-curve-preferences={{ . }}
{{- end }}
{{- end }}

{{/* The rule to ask the API who reads metrics. Takes the same list. */}}
{{- define "frr-adapter.reviewRules" -}}
{{- if include "frr-adapter.hasSecureMetrics" . }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- end }}

{{/* Takes a list: the root, and what overrules .Values.image. */}}
{{- define "frr-adapter.image" -}}
{{- $root := index . 0 }}
{{- $image := merge (deepCopy (index . 1)) $root.Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "frr-adapter.pullPolicy" -}}
{{- $image := merge (deepCopy (index . 1)) (index . 0).Values.image }}
{{- with $image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end }}

{{/* Combinations that could not work are told here, before anything is installed. */}}
{{- define "frr-adapter.check" -}}
{{- if and .Values.prometheus.podMonitor.enabled .Values.prometheus.serviceMonitor.enabled }}
{{- fail "prometheus: podMonitor.enabled and serviceMonitor.enabled are both true; one of them is allowed, or everything is scraped twice" }}
{{- end }}
{{- $monitored := or .Values.prometheus.podMonitor.enabled .Values.prometheus.serviceMonitor.enabled }}
{{- if and $monitored (not .Values.prometheus.metricsPort) }}
{{- fail "prometheus.metricsPort: found 0, which is off; a monitor needs a port" }}
{{- end }}
{{- if and $monitored .Values.rbac.create .Values.prometheus.rbacPrometheus }}
{{- if not (and .Values.prometheus.serviceAccount .Values.prometheus.namespace) }}
{{- fail "prometheus.serviceAccount and prometheus.namespace: missing; Prometheus's own are required for its Role, or set prometheus.rbacPrometheus to false" }}
{{- end }}
{{- end }}
{{- if and .Values.speaker.enabled .Values.speaker.nodeSelector (not .Values.speaker.memberlist.enabled) }}
{{- fail "speaker.nodeSelector: needs speaker.memberlist.enabled; without it layer 2 assumes a speaker on every node" }}
{{- end }}
{{- if and .Values.tls.cipherSuites (ne .Values.tls.minVersion "VersionTLS12") }}
{{- fail "tls.cipherSuites: only with tls.minVersion VersionTLS12; TLS 1.3 has no choice of suites" }}
{{- end }}
{{- end }}
