#!/usr/bin/env python3
"""Verifies and opens a sealed capsule with other people's code: cryptography (pyca) and cbor2. Written from docs/format.md alone.

    pip install cryptography cbor2
    check_seal.py CAPSULE.kvc KEYS_FOLDER [STATE]

With STATE, the file that a capsule of codec raw was made of, the first bytes of each tile must be in it. Exit code 0: everything holds.
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys
import zlib

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MANIFEST = "application/vnd.kvcapsule.manifest+cbor"
TRAILER = "application/vnd.kvcapsule.trailer+cbor"
ED25519 = -19


def hkdf(key, salt, info, length):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info.encode()).derive(key)


def base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def frames(data):
    assert data[:8] == b"\x89KVC\r\n\x1a\n", "magic"
    at, out = 16, []
    while at < len(data) - 24:
        header = data[at:at + 36]
        magic, kind, flags, _, sequence, item, piece, length, seal, _ = struct.unpack("<4sBBHQIIIII", header)
        assert magic == b"KVFM" and sequence == len(out) and (flags, seal) in ((0, 0), (1, 16)), "frame header"
        body = data[at + 40:at + 40 + length + seal]
        out.append((kind, flags, sequence, item, header, body[:length], body[length:]))
        at += 40 + length + seal
    return out


def signed(payload, content_type, keys):
    """COSE_Sign1 with Ed25519. Returns what was signed, and the signer's name."""
    message = cbor2.loads(payload)
    assert isinstance(message, cbor2.CBORTag) and message.tag == 18, "COSE_Sign1"
    protected, unprotected, body, signature = message.value
    header = cbor2.loads(protected)
    assert not unprotected and header[3] == content_type, "content type"
    kid = header[4].decode()
    jwk = json.loads((keys / "signing" / (kid + ".jwk")).read_text())
    assert jwk["alg"] == "Ed25519" and header[1] == ED25519, "algorithm"
    structure = cbor2.dumps(["Signature1", protected, b"", body])
    Ed25519PublicKey.from_public_bytes(base64url(jwk["x"])).verify(signature, structure)
    return cbor2.loads(body), kid


def merkle(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


def main():
    data = pathlib.Path(sys.argv[1]).read_bytes()
    keys = pathlib.Path(sys.argv[2])
    state = pathlib.Path(sys.argv[3]).read_bytes() if len(sys.argv) > 3 else None
    parts = frames(data)
    manifest, kid = signed(parts[0][5], MANIFEST, keys)
    trailer, trailer_kid = signed(parts[-1][5], TRAILER, keys)
    assert kid == trailer_kid, "signers"
    seal = manifest["seal"]
    digest = hashlib.sha256(parts[0][5]).digest()
    assert trailer["capsule_id"] == seal["capsule_id"] and trailer["manifest_digest"] == digest, "trailer of another capsule"
    leaves = [hashlib.sha256(b"\x00" + header + payload + tag).digest() for _, _, _, _, header, payload, tag in parts[:-1]]
    assert merkle(leaves) == trailer["merkle_root"], "Merkle root"
    print(f"signatures of {kid} and the Merkle root over {len(leaves)} frames hold")

    name = f"tenant.{seal['tenant']}.{seal['epoch']}.private.jwk"
    tenant = base64url(json.loads((keys / "private" / name).read_text())["k"])
    context = cbor2.dumps([seal["capsule_id"], seal["tenant"], seal["epoch"]])
    wrapped = seal["wrapped_key"]
    key = AESGCM(hkdf(tenant, context, "kvcapsule wrap", 32)).decrypt(wrapped[:12], wrapped[12:], context)
    identity = seal["capsule_id"]
    assert hkdf(key, identity, "kvcapsule commitment", 32) == seal["key_commitment"], "key commitment"
    cipher = (AESGCM if seal["aead"] == "aes-256-gcm" else ChaCha20Poly1305)(hkdf(key, identity, "kvcapsule frames", 32))
    prefix = hkdf(key, identity, "kvcapsule nonce", 7)
    encrypted = [part for part in parts if part[1] == 1]
    last = encrypted[-1][2]
    tiles = found = 0
    for kind, _, sequence, item, header, payload, tag in encrypted:
        nonce = prefix + struct.pack(">IB", sequence, sequence == last)
        plain = cipher.decrypt(nonce, payload + tag, identity + digest + header)
        if kind == 2:
            raw = plain[1:] if plain[0] == 0 else zlib.decompress(plain[1:])
            print(f"blob {item}: {len(raw)} bytes")
        if kind == 3:
            tiles += 1
            found += state is None or plain[1:65] in state
    assert found == tiles, f"{found} of {tiles} tiles are in the state"
    print(f"{len(encrypted)} frames open, {tiles} of them tiles" + ("" if state is None else ", each of which is in the state"))

    damaged = bytearray(data)
    damaged[16 + 40 + len(parts[0][5]) - 1] ^= 1  # the last byte of the manifest's signature
    try:
        signed(frames(bytes(damaged))[0][5], MANIFEST, keys)
    except InvalidSignature:
        print("a changed manifest does not verify")
        return
    sys.exit("a changed manifest verifies")


if __name__ == "__main__":
    main()
