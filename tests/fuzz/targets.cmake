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
