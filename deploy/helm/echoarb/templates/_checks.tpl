{{/* What the schema can't say: values that need each other, or exclude each other. */}}
{{- define "echoarb.check" -}}
{{- $v := .Values -}}
{{- if not $v.kafka.bootstrapServers -}}
{{- fail "kafka.bootstrapServers: say where Kafka is, such as my-cluster-kafka-bootstrap:9092" -}}
{{- end -}}
{{- if not $v.registry.url -}}
{{- fail "registry.url: say where the schema registry is, such as http://registry:8081" -}}
{{- end -}}
{{- if not $v.clickhouse.url -}}
{{- fail "clickhouse.url: say where ClickHouse is, such as http://clickhouse:8123" -}}
{{- end -}}
{{- if and (hasPrefix "SASL" $v.kafka.security) (not $v.kafka.sasl.existingSecret) -}}
{{- fail (printf "kafka.security: %s needs kafka.sasl.existingSecret, the Secret with the password" $v.kafka.security) -}}
{{- end -}}
{{- if and (or $v.kafka.tls.caSecret $v.kafka.tls.clientSecret) (not (hasSuffix "SSL" $v.kafka.security)) -}}
{{- fail (printf "kafka.tls is set, but kafka.security: %s speaks no TLS; use SSL or SASL_SSL" $v.kafka.security) -}}
{{- end -}}
{{- if and $v.clickhouse.reader.existingSecret (not $v.clickhouse.reader.user) -}}
{{- fail "clickhouse.reader.existingSecret needs clickhouse.reader.user" -}}
{{- end -}}
{{- if and $v.connectors.kalshi.enabled (not $v.connectors.kalshi.existingSecret) -}}
{{- fail "connectors.kalshi.enabled needs connectors.kalshi.existingSecret, the Secret with Kalshi's key" -}}
{{- end -}}
{{- if $v.api.enabled -}}
{{- if not (or $v.api.existingKeysSecret $v.api.open) -}}
{{- fail "api.existingKeysSecret: name a Secret with the key file that `echoarb keys add` makes, or say api.open: true if something before the API decides who gets in" -}}
{{- end -}}
{{- if and $v.api.existingKeysSecret $v.api.open -}}
{{- fail "api.open: true is for an API without keys, and api.existingKeysSecret gives it some: choose one" -}}
{{- end -}}
{{- else if $v.api.ingress.enabled -}}
{{- fail "api.ingress.enabled needs api.enabled" -}}
{{- end -}}
{{- if and $v.api.ingress.enabled (not $v.api.ingress.hosts) -}}
{{- fail "api.ingress.enabled needs api.ingress.hosts" -}}
{{- end -}}
{{- if le (int64 $v.api.terminationGracePeriodSeconds) (int64 $v.api.drainSeconds) -}}
{{- fail "api.terminationGracePeriodSeconds has to be longer than api.drainSeconds, which is part of it" -}}
{{- end -}}
{{- if eq (int64 $v.api.port) (int64 $v.metrics.port) -}}
{{- fail "api.port and metrics.port have to differ: one pod has both" -}}
{{- end -}}
{{- if and $v.marketPairs.json $v.marketPairs.existingConfigMap -}}
{{- fail "marketPairs: choose json or existingConfigMap" -}}
{{- end -}}
{{- with $v.marketPairs.json -}}
{{- if hasKey (fromJson .) "Error" -}}
{{- fail (printf "marketPairs.json is no JSON object: %s" (fromJson .).Error) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "sink" "analytics" "api" -}}
{{- $c := get $v $name -}}
{{- $keda := ($c.keda | default dict).enabled -}}
{{- if and $c.autoscaling.enabled $keda -}}
{{- fail (printf "%s: autoscaling and keda would both scale it: choose one" $name) -}}
{{- end -}}
{{- if $c.autoscaling.enabled -}}
{{- if gt (int64 $c.autoscaling.minReplicas) (int64 $c.autoscaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling: minReplicas is more than maxReplicas" $name) -}}
{{- end -}}
{{- if not (or (int64 $c.autoscaling.targetCPU) (int64 $c.autoscaling.targetMemory)) -}}
{{- fail (printf "%s.autoscaling needs targetCPU or targetMemory" $name) -}}
{{- end -}}
{{- $requests := ($c.resources | default dict).requests | default dict -}}
{{- if and (int64 $c.autoscaling.targetCPU) (not $requests.cpu) -}}
{{- fail (printf "%s.autoscaling.targetCPU is a part of %s.resources.requests.cpu, which is not set" $name $name) -}}
{{- end -}}
{{- if and (int64 $c.autoscaling.targetMemory) (not $requests.memory) -}}
{{- fail (printf "%s.autoscaling.targetMemory is a part of %s.resources.requests.memory, which is not set" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and $keda (gt (int64 $c.keda.minReplicas) (int64 $c.keda.maxReplicas)) -}}
{{- fail (printf "%s.keda: minReplicas is more than maxReplicas" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
