{{/* What every pod of ours has in common. */}}

{{/* Values of a component over those that stand in pods; lists named extra* are joined. */}}
{{- define "echoarb.merged" -}}
{{- $pods := deepCopy .root.Values.pods -}}
{{- $own := deepCopy .values -}}
{{- range $name := list "extraEnv" "extraEnvFrom" "extraVolumes" "extraVolumeMounts" -}}
{{- $_ := set $own $name (concat (get $pods $name) (get $own $name | default list)) -}}
{{- end -}}
{{- mergeOverwrite $pods $own | toYaml -}}
{{- end -}}

{{/*
A pod's template. pod: component, values (merged), command, needs (of secrets), container (further
fields of the container, as text), inline (variables in the pod, not from the ConfigMap), restart,
account, spread (whether replicas spread).
*/}}
{{- define "echoarb.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $secrets := include "echoarb.secrets" . -}}
{{- $pairs := and (has "pairs" .needs) (or $root.Values.marketPairs.json $root.Values.marketPairs.existingConfigMap) -}}
{{- $markets := (get $root.Values.connectors .component | default dict).markets -}}
metadata:
  labels:
    {{- include "echoarb.selector" . | nindent 4 }}
    {{- with merge (dict) $values.podLabels $root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := merge (dict) $values.podAnnotations $root.Values.commonAnnotations }}
  {{- if not (hasKey . "inline") }}
  {{- $_ := set $annotations "checksum/config" (include (print $root.Template.BasePath "/config.yaml") $root | sha256sum) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with concat $root.Values.global.imagePullSecrets $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with $values.terminationGracePeriodSeconds }}
  terminationGracePeriodSeconds: {{ . | int64 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .spread $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range $constraint := $values.topologySpreadConstraints }}
    {{- if not $constraint.labelSelector }}
    {{- $_ := set $constraint "labelSelector" (dict "matchLabels" (include "echoarb.selector" $ | fromYaml)) }}
    {{- end }}
    {{- toYaml (list $constraint) | nindent 4 }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  containers:
    - name: {{ .component }}
      image: {{ include "echoarb.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      securityContext:
        {{- toYaml $values.containerSecurityContext | nindent 8 }}
      {{- with .container }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if not (hasKey . "inline") }}
      envFrom:
        - configMapRef:
            name: {{ include "echoarb.fullname" $root }}
        {{- with $values.extraEnvFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- else if $values.extraEnvFrom }}
      envFrom:
        {{- toYaml $values.extraEnvFrom | nindent 8 }}
      {{- end }}
      env:
        {{- range $name, $value := .inline }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- if $secrets }}
        - name: ECHOARB_SECRETS_DIR
          value: {{ include "echoarb.secretsFolder" $root }}
        {{- end }}
        - name: HOME
          value: /tmp
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if $secrets }}
        - name: secrets
          mountPath: {{ include "echoarb.secretsFolder" $root }}
          readOnly: true
        {{- end }}
        {{- if $pairs }}
        - name: pairs
          mountPath: /etc/echoarb/pairs
          readOnly: true
        {{- end }}
        {{- if $markets }}
        - name: markets
          mountPath: /etc/echoarb/markets
          readOnly: true
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ $values.tmpSizeLimit }}
    {{- if $secrets }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- $secrets | nindent 10 }}
    {{- end }}
    {{- if $pairs }}
    - name: pairs
      configMap:
        name: {{ $root.Values.marketPairs.existingConfigMap | default (print (include "echoarb.fullname" $root) "-pairs") }}
        items:
          - key: {{ $root.Values.marketPairs.key }}
            path: market_pairs.json
    {{- end }}
    {{- if $markets }}
    - name: markets
      configMap:
        name: {{ include "echoarb.fullname" $root }}-markets
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Probes of a container on its metrics port: whether its event loop turns. */}}
{{- define "echoarb.workerContainer" -}}
ports:
  - name: metrics
    containerPort: {{ .root.Values.metrics.port | int64 }}
startupProbe:
  httpGet: {path: /live, port: metrics}
  {{- toYaml .values.startupProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /live, port: metrics}
  {{- toYaml .values.livenessProbe | nindent 2 }}
{{- end -}}

{{/* A Deployment. scaled: whether a scaler sets replicas; strategy: if the values have none. */}}
{{- define "echoarb.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "echoarb.metadata" (merge (dict "suffix" .component) .) | nindent 2 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .replicas | int64 }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- .values.strategy | default .strategy | toYaml | nindent 4 }}
  selector:
    matchLabels:
      {{- include "echoarb.selector" . | nindent 6 }}
  template:
    {{- include "echoarb.pod" . | nindent 4 }}
{{- end -}}
