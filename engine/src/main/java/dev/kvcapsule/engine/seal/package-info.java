/**
 * The seal of a capsule: a manifest that is signed before the first tile leaves (COSE, RFC 9052), tiles that are encrypted where they were coded (an AEAD a tile, numbered as
 * in STREAM, Hoang, Reyhanitabar, Rogaway, Vizar 2015), and a signed trailer with the root of a Merkle tree (RFC 6962) over everything before it. {@link
 * dev.kvcapsule.engine.seal.CapsuleSeal} makes it, {@link dev.kvcapsule.engine.seal.CapsuleOpening} checks all of it, {@link dev.kvcapsule.engine.seal.PublicOpening}
 * what can be checked without secrets.
 */
package dev.kvcapsule.engine.seal;
