{{- define "outrigger.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* `helm install outrigger …` makes `outrigger`, and `helm install my …` makes `my-outrigger`. */ -}}
{{- define "outrigger.fullname" -}}
{{- $name := include "outrigger.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ .Values.fullnameOverride | default $full | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* What selects the operator's pods. NetworkPolicies of others rely on it: it never changes. */ -}}
{{- define "outrigger.selector" -}}
app.kubernetes.io/name: {{ include "outrigger.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outrigger.labels" -}}
{{ include "outrigger.selector" . }}
app.kubernetes.io/part-of: outrigger
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Of (dict "root" $ "image" .Values.….image). A digest says which image it is whatever the tag says. */ -}}
{{- define "outrigger.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Where cert-manager puts the certificate. */ -}}
{{- define "outrigger.certificate" -}}
{{ include "outrigger.fullname" . }}-tls
{{- end }}

{{- /* The operator runs in this release, and not on somebody's machine. */ -}}
{{- define "outrigger.runs" -}}
{{ if not .Values.webhooks.url }}yes{{ end }}
{{- end }}

{{- define "outrigger.kinds" -}}
[budgets, llmproviders, modelcatalogs, routingrules, virtualkeys]
{{- end }}
