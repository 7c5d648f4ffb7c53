/**
 * Keys of sealed capsules: who may sign, whose wrapping keys there are, what has been revoked, and how far each session has come. Keys are behind
 * {@link dev.kvcapsule.engine.keys.KeyProvider}, so that a KMS or a PKCS#11 token can hold them; {@link dev.kvcapsule.engine.keys.KeyFolder} holds
 * them as JSON Web Keys (RFC 7517, RFC 8037, RFC 9964) in a folder, and {@link dev.kvcapsule.engine.keys.KeyLifecycle} changes them there.
 */
package dev.kvcapsule.engine.keys;
