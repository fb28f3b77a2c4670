"""What PyJWT spends on a token when it is handed its RSA key as text, and when the key was read once.

    python3 -m venv venv && venv/bin/pip install pyjwt cryptography && venv/bin/python pyjwt-key.py
"""

import time

import cryptography
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(65537, 2048)
text = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def cpu_ms(work, times=20):
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times * 1000


print(f"PyJWT {jwt.__version__}, cryptography {cryptography.__version__}; milliseconds of CPU:")
print(f"token, key as text:    {cpu_ms(lambda: jwt.encode({'sub': 'x'}, text, 'RS256')):.2f}")
print(f"token, key read once:  {cpu_ms(lambda: jwt.encode({'sub': 'x'}, key, 'RS256')):.2f}")
print(f"reading the key:       {cpu_ms(lambda: serialization.load_pem_private_key(text, None)):.2f}")
unchecked = lambda: serialization.load_pem_private_key(text, None, unsafe_skip_rsa_key_validation=True)
print(f"the same, not tested:  {cpu_ms(unchecked):.2f}")
