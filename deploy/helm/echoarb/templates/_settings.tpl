{{/*
What the services are told: variables (a ConfigMap, and in the jobs, which run before there is one,
the variables themselves) and secrets, which are files and never variables.
*/}}

{{/* A number as people write it: Helm reads numbers as floats and would print 2e+09. */}}
{{- define "echoarb.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Where secrets are in a container, and what each file is called. */}}
{{- define "echoarb.secretsFolder" -}}/etc/echoarb/secrets{{- end -}}

{{/* Variables of all components, as a YAML map of texts. */}}
{{- define "echoarb.settings" -}}
{{- $v := .Values -}}
{{- $folder := include "echoarb.secretsFolder" . -}}
ECHOARB_KAFKA_BOOTSTRAP: {{ $v.kafka.bootstrapServers | quote }}
ECHOARB_KAFKA_SECURITY: {{ $v.kafka.security | quote }}
{{- if hasPrefix "SASL" $v.kafka.security }}
ECHOARB_KAFKA_SASL_MECHANISM: {{ $v.kafka.sasl.mechanism | quote }}
{{- if not $v.kafka.sasl.usernameKey }}
ECHOARB_KAFKA_USERNAME: {{ $v.kafka.sasl.username | default $v.kafka.sasl.existingSecret | quote }}
{{- end }}
{{- end }}
{{- if $v.kafka.tls.caSecret }}
ECHOARB_KAFKA_CA_FILE: {{ $folder }}/kafka-ca.crt
{{- end }}
{{- if $v.kafka.tls.clientSecret }}
ECHOARB_KAFKA_CERT_FILE: {{ $folder }}/kafka-client.crt
ECHOARB_KAFKA_KEY_FILE: {{ $folder }}/kafka-client.key
{{- end }}
ECHOARB_REGISTRY_URL: {{ $v.registry.url | quote }}
ECHOARB_REGISTRY_REGISTER: {{ $v.registry.register | quote }}
{{- if $v.registry.caSecret }}
ECHOARB_REGISTRY_CA_FILE: {{ $folder }}/registry-ca.crt
{{- end }}
ECHOARB_CLICKHOUSE_URL: {{ $v.clickhouse.url | quote }}
ECHOARB_CLICKHOUSE_DATABASE: {{ $v.clickhouse.database | quote }}
ECHOARB_CLICKHOUSE_USER: {{ $v.clickhouse.user | quote }}
{{- with $v.clickhouse.cluster }}
ECHOARB_CLICKHOUSE_CLUSTER: {{ . | quote }}
{{- end }}
{{- if $v.clickhouse.caSecret }}
ECHOARB_CLICKHOUSE_CA_FILE: {{ $folder }}/clickhouse-ca.crt
{{- end }}
{{- with $v.clickhouse.reader.user }}
ECHOARB_API_CLICKHOUSE_USER: {{ . | quote }}
{{- end }}
ECHOARB_METRICS_HOST: {{ $v.metrics.address | quote }}
ECHOARB_METRICS_PORT: {{ $v.metrics.port | int64 | quote }}
ECHOARB_API_HOST: {{ $v.metrics.address | quote }}
ECHOARB_API_PORT: {{ $v.api.port | int64 | quote }}
ECHOARB_API_OPEN: {{ $v.api.open | quote }}
{{- if $v.api.existingKeysSecret }}
ECHOARB_API_KEYS_FILE: {{ $folder }}/api-keys.json
{{- end }}
{{- if $v.connectors.kalshi.enabled }}
ECHOARB_KALSHI_PRIVATE_KEY_FILE: {{ $folder }}/kalshi-private-key.pem
{{- end }}
{{- if or $v.marketPairs.json $v.marketPairs.existingConfigMap }}
ECHOARB_MARKET_PAIRS: /etc/echoarb/pairs/market_pairs.json
{{- end }}
{{- range $venue, $connector := $v.connectors }}
{{- if $connector.markets }}
ECHOARB_{{ upper $venue }}_MARKETS_FILE: /etc/echoarb/markets/markets.toml
{{- end }}
{{- end }}
{{- range $name, $value := $v.config }}
ECHOARB_{{ $name }}: {{ include "echoarb.text" $value | quote }}
{{- end }}
{{- end -}}

{{/*
Secrets of a component, as sources of a projected volume. needs: a list of kafka, registry,
clickhouse, reader, keys, kalshi, webhooks. A file named like a variable in lower case is that
setting; the others are named by a setting.
*/}}
{{- define "echoarb.secrets" -}}
{{- $v := .root.Values -}}
{{- $files := list -}}
{{- if has "kafka" .needs -}}
{{- if hasPrefix "SASL" $v.kafka.security -}}
{{- $secret := $v.kafka.sasl.existingSecret -}}
{{- $files = append $files (list $secret $v.kafka.sasl.passwordKey "echoarb_kafka_password") -}}
{{- with $v.kafka.sasl.usernameKey -}}
{{- $files = append $files (list $secret . "echoarb_kafka_username") -}}
{{- end -}}
{{- end -}}
{{- with $v.kafka.tls.caSecret -}}
{{- $files = append $files (list . $v.kafka.tls.caKey "kafka-ca.crt") -}}
{{- end -}}
{{- with $v.kafka.tls.clientSecret -}}
{{- $files = append $files (list . $v.kafka.tls.clientCertKey "kafka-client.crt") -}}
{{- $files = append $files (list . $v.kafka.tls.clientKeyKey "kafka-client.key") -}}
{{- end -}}
{{- end -}}
{{- with $v.registry.existingSecret -}}
{{- if has "registry" $.needs -}}
{{- $files = append $files (list . $v.registry.usernameKey "echoarb_registry_username") -}}
{{- $files = append $files (list . $v.registry.passwordKey "echoarb_registry_password") -}}
{{- end -}}
{{- end -}}
{{- with $v.registry.caSecret -}}
{{- if has "registry" $.needs -}}
{{- $files = append $files (list . $v.registry.caKey "registry-ca.crt") -}}
{{- end -}}
{{- end -}}
{{- $reading := and (has "reader" .needs) $v.clickhouse.reader.user -}}
{{- with $v.clickhouse.existingSecret -}}
{{- if or (has "clickhouse" $.needs) (and (has "reader" $.needs) (not $reading)) -}}
{{- $files = append $files (list . $v.clickhouse.passwordKey "echoarb_clickhouse_password") -}}
{{- end -}}
{{- end -}}
{{- with $v.clickhouse.reader.existingSecret -}}
{{- if $reading -}}
{{- $files = append $files (list . $v.clickhouse.reader.passwordKey "echoarb_api_clickhouse_password") -}}
{{- end -}}
{{- end -}}
{{- with $v.clickhouse.caSecret -}}
{{- if or (has "clickhouse" $.needs) (has "reader" $.needs) -}}
{{- $files = append $files (list . $v.clickhouse.caKey "clickhouse-ca.crt") -}}
{{- end -}}
{{- end -}}
{{- with $v.api.existingKeysSecret -}}
{{- if has "keys" $.needs -}}
{{- $files = append $files (list . $v.api.keysKey "api-keys.json") -}}
{{- end -}}
{{- end -}}
{{- if has "kalshi" .needs -}}
{{- $kalshi := $v.connectors.kalshi -}}
{{- $files = append $files (list $kalshi.existingSecret $kalshi.keyIdKey "echoarb_kalshi_key_id") -}}
{{- $files = append $files (list $kalshi.existingSecret $kalshi.privateKeyKey "kalshi-private-key.pem") -}}
{{- end -}}
{{- $hooks := $v.analytics.webhooks -}}
{{- if and $hooks.existingSecret (has "webhooks" .needs) -}}
{{- $files = append $files (list $hooks.existingSecret $hooks.urlsKey "echoarb_alert_webhooks") -}}
{{- with $hooks.signingKeyKey -}}
{{- $files = append $files (list $hooks.existingSecret . "echoarb_alert_webhook_secret") -}}
{{- end -}}
{{- end -}}
{{- range $files }}
- secret:
    name: {{ index . 0 }}
    items:
      - key: {{ index . 1 }}
        path: {{ index . 2 }}
{{- end -}}
{{- end -}}
