{{- define "tgs.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{- define "tgs.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tgs.labels" -}}
{{ include "tgs.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tgs.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Where the stores are: those that were named, or those of the chart, the nearest first. */}}
{{- define "tgs.store" -}}
{{- $top := .top }}
{{- if $top.Values.store }}{{ $top.Values.store }}
{{- else if $top.Values.development.enabled }}
{{- $all := $top.Values.development.dataCentres }}
{{- $near := list }}
{{- if has .region $all }}{{ $near = list .region }}{{ end }}
{{- $hosts := list }}
{{- range concat $near (without $all .region) }}{{ $hosts = append $hosts (printf "%s-db-%s" (include "tgs.name" $top) .) }}{{ end -}}
cql://{{ join "," $hosts }}/tabgraphsyn
{{- else }}{{ fail "name the database in `store`, or set development.enabled=true" }}
{{- end }}
{{- end }}

{{- define "tgs.nats" -}}
{{- if .Values.nats }}{{ .Values.nats }}
{{- else if .Values.development.enabled }}
{{- $name := include "tgs.name" . -}}
nats://{{ range $no := until 3 }}{{ if $no }},{{ end }}{{ $name }}-nats-{{ $no }}.{{ $name }}-nats{{ end }}
{{- end }}
{{- end }}

{{/* The settings of a set of nodes, as `tgs node --config` reads them. */}}
{{- define "tgs.settings" -}}
{{- $top := .top }}
region = {{ .region | toJson }}
roles = {{ .roles | toJson }}
listen = "0.0.0.0:7400"
home = "/var/lib/tgs"
store = {{ include "tgs.store" . | toJson }}
token_file = "/secrets/token/token"
{{- with $top.Values.objects }}
objects = {{ toJson . }}
{{- end }}
{{- with include "tgs.nats" $top }}
nats = {{ toJson . }}
{{- end }}
{{- if $top.Values.secrets.store }}
store_password_file = "/secrets/store/password"
{{- end }}
{{- if $top.Values.secrets.nats }}
nats_password_file = "/secrets/nats/password"
{{- end }}
{{- if $top.Values.secrets.authority }}
links = "0.0.0.0:7401"
links_folder = "/keys/own"
{{- end }}
{{- with .set }}
devices = {{ .devices }}
threads = {{ .threads }}
memory_mib = {{ .memoryMib }}
{{- with .spot }}
spot = {{ toJson . }}
{{- end }}
{{- with .lostAfterMinutes }}
lost_after_minutes = {{ printf "%.1f" (float64 .) }}
{{- end }}
{{- end }}
{{- range $key, $value := $top.Values.settings }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{/* A pod of nodes; `set` holds its resources and places. */}}
{{- define "tgs.pod" -}}
{{- $top := .top -}}
metadata:
  labels:
    {{- include "tgs.labels" $top | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    tabgraphsyn/region: {{ .region }}
  annotations:
    # Other settings are other pods.
    checksum/settings: {{ include "tgs.settings" . | sha256sum }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $top.Values.drainSeconds }}
  {{- with $top.Values.imagePullSecrets }}
  imagePullSecrets: {{ toJson . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  {{- if $top.Values.secrets.authority }}
  initContainers:
    # The authority's key is seen here alone; the node gets what was issued to it.
    - name: keys
      image: {{ include "tgs.image" $top }}
      imagePullPolicy: {{ $top.Values.image.pullPolicy }}
      # It may have run before in this pod.
      command: [bash, -euc]
      args: ['[ -e /keys/own/secret ] || tgs cert node "$TGS_NODE_NAME" --authority /authority --out /keys/own']
      env:
        - {name: TGS_NODE_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - {name: authority, mountPath: /authority, readOnly: true}
        - {name: keys, mountPath: /keys}
        - {name: home, mountPath: /var/lib/tgs}
  {{- end }}
  containers:
    - name: tgs
      image: {{ include "tgs.image" $top }}
      imagePullPolicy: {{ $top.Values.image.pullPolicy }}
      args: [node, --config, /etc/tgs/node.toml]
      env:
        - {name: TGS_NODE_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        {{- if $top.Values.secrets.authority }}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: TGS_LINKS_ADDRESS, value: "$(POD_IP):7401"}
        {{- end }}
        {{- $variables := $top.Values.objectsVariables }}
        {{- if and $top.Values.development.enabled $top.Values.objects (not $variables) }}
        {{- $variables = dict "AWS_ENDPOINT" (printf "http://%s-objects:8333" (include "tgs.name" $top)) "AWS_ALLOW_HTTP" "true" "AWS_REGION" "us-east-1" }}
        {{- end }}
        {{- range $key, $value := $variables }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
      {{- with $top.Values.secrets.objects }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      ports:
        - {name: http, containerPort: 7400}
        - {name: links, containerPort: 7401}
      # Tables and the database may take long to come up; what answers once is alive from then on.
      startupProbe:
        httpGet: {path: /health/startup, port: http}
        periodSeconds: 5
        failureThreshold: 60
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: /health/live, port: http}
        periodSeconds: 10
        failureThreshold: 6
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /health/ready, port: http}
        periodSeconds: 5
        failureThreshold: 3
        timeoutSeconds: 5
      {{- if eq .component "front" }}
      # Until nobody sends requests here any more.
      lifecycle: {preStop: {sleep: {seconds: 5}}}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources: {{ toJson .set.resources }}
      volumeMounts:
        - {name: settings, mountPath: /etc/tgs, readOnly: true}
        - {name: token, mountPath: /secrets/token, readOnly: true}
        - {name: home, mountPath: /var/lib/tgs}
        - {name: temporary, mountPath: /tmp}
        {{- if $top.Values.secrets.store }}
        - {name: store, mountPath: /secrets/store, readOnly: true}
        {{- end }}
        {{- if $top.Values.secrets.nats }}
        - {name: nats, mountPath: /secrets/nats, readOnly: true}
        {{- end }}
        {{- if $top.Values.secrets.authority }}
        - {name: keys, mountPath: /keys, readOnly: true}
        {{- end }}
  volumes:
    - {name: settings, configMap: {name: {{ include "tgs.name" $top }}-{{ .name }}}}
    - {name: token, secret: {secretName: {{ $top.Values.secrets.token }}, defaultMode: 0440}}
    - {name: home, emptyDir: {sizeLimit: {{ .set.home }}}}
    - {name: temporary, emptyDir: {sizeLimit: 256Mi}}
    {{- with $top.Values.secrets.store }}
    - {name: store, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- with $top.Values.secrets.nats }}
    - {name: nats, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- with $top.Values.secrets.authority }}
    - {name: authority, secret: {secretName: {{ . }}, defaultMode: 0440}}
    - {name: keys, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
    {{- end }}
  {{- with .set.nodeSelector }}
  nodeSelector: {{ toJson . }}
  {{- end }}
  {{- with .set.tolerations }}
  tolerations: {{ toJson . }}
  {{- end }}
  {{- with .set.affinity }}
  affinity: {{ toJson . }}
  {{- else }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "tgs.selector" $top | nindent 10 }}
  {{- end }}
{{- end }}
