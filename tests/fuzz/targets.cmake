klen_fuzzer(event_body
  SOURCES event/event_types.cpp event/json_body.cpp event/json_number.cpp event/json_reader.cpp event/json_string.cpp
          event/publish_request.cpp event/split_array.cpp base/encoding.cpp
  LIBRARIES OpenSSL::Crypto
  MODULES klen_event)
klen_fuzzer(signing
  SOURCES signing/api_key.cpp signing/hmac_sha256.cpp signing/sealer.cpp signing/secret.cpp signing/verify.cpp
          signing/webhook_signer.cpp ${KLEN_FUZZ_BASE}
  LIBRARIES OpenSSL::Crypto
  MODULES klen_signing)
klen_fuzzer(url
  SOURCES egress/url.cpp ${KLEN_FUZZ_BASE}
  LIBRARIES PkgConfig::IDN2
  MODULES klen_egress)
klen_fuzzer(address
  SOURCES egress/address_guard.cpp ${KLEN_FUZZ_BASE}
  MODULES klen_egress)
klen_fuzzer(response
  SOURCES egress/chunked_body.cpp egress/response_reader.cpp
  MODULES klen_egress)
klen_fuzzer(retry_after
  SOURCES policy/retry_after.cpp
  MODULES klen_policy)
klen_fuzzer(request
  SOURCES api/chunk_decoder.cpp api/credentials.cpp api/request_guard.cpp api/request_head.cpp api/request_target.cpp
  MODULES klen_api_server)
klen_fuzzer(gzip
  SOURCES api/body_decoder.cpp api/chunk_decoder.cpp api/gzip_decoder.cpp
  LIBRARIES ZLIB::ZLIB
  MODULES klen_api_server)
klen_fuzzer(publish_body
  SOURCES event/json_body.cpp event/json_number.cpp event/json_reader.cpp event/json_string.cpp event/publish_request.cpp
          base/encoding.cpp
  LIBRARIES OpenSSL::Crypto
  MODULES klen_event)
klen_fuzzer(response_timing
  SOURCES egress/chunked_body.cpp egress/response_reader.cpp base/encoding.cpp
  MODULES klen_egress)
klen_fuzzer(circuit
  SOURCES policy/circuit.cpp
  MODULES klen_policy)
klen_fuzzer(lane
  SOURCES dispatch/budget.cpp dispatch/delivery_headers.cpp dispatch/lane.cpp policy/circuit.cpp signing/hmac_sha256.cpp
          signing/secret.cpp signing/webhook_signer.cpp ${KLEN_FUZZ_BASE}
  LIBRARIES OpenSSL::Crypto
  MODULES klen_dispatch)
klen_fuzzer(cursor
  SOURCES api/cursor.cpp api/errors.cpp api/json_input.cpp api/request_scope.cpp base/rfc3339.cpp event/event_types.cpp
          event/json_body.cpp event/json_number.cpp event/json_reader.cpp event/json_string.cpp intake/field_rules.cpp
          ${KLEN_FUZZ_BASE}
  MODULES klen_api)
klen_fuzzer(config
  SOURCES base/setting.cpp base/settings.cpp base/settings_checks.cpp base/settings_contradictions.cpp
          base/settings_declared.cpp base/settings_environment.cpp base/settings_suggest.cpp base/settings_text.cpp
          base/settings_toml.cpp ${KLEN_FUZZ_BASE}
  MODULES klen_base)
klen_fuzzer(webhook_input
  SOURCES api/json_input.cpp api/request_head.cpp api/webhook_input.cpp dispatch/delivery_headers.cpp
          egress/address_guard.cpp egress/url.cpp event/built_in_event_types.cpp event/event_types.cpp
          event/json_body.cpp event/json_number.cpp event/json_reader.cpp event/json_string.cpp event/publish_request.cpp
          intake/event_catalogue.cpp signing/secret.cpp ${KLEN_FUZZ_BASE}
  LIBRARIES PkgConfig::IDN2
  MODULES klen_api)
