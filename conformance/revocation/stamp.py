"""rfc3161-client asks the time stamping authority and verifies its answer: stamp.py URL ROOT CA"""

import sys
import urllib.request

from cryptography import x509
from rfc3161_client import TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
from rfc3161_client.errors import VerificationError

url, root, ca = sys.argv[1:4]
load = lambda path: x509.load_pem_x509_certificate(open(path, "rb").read())
message = b"what is stamped"
request = TimestampRequestBuilder().data(message).nonce(nonce=True).cert_request(cert_request=True).build()
asked = urllib.request.Request(url, request.as_bytes(), {"Content-Type": "application/timestamp-query"})
response = decode_timestamp_response(urllib.request.urlopen(asked, timeout=10).read())
verifier = VerifierBuilder.from_request(request).add_root_certificate(load(root))
verifier = verifier.add_intermediate_certificate(load(ca)).build()
assert verifier.verify_message(response, message)
try:
    verifier.verify_message(response, b"something else")
except VerificationError:
    print("stamped at", response.tst_info.gen_time)
else:
    sys.exit("another message was accepted")
