/**
 * Incremental capsules: chunks of a cache's tokens that are coded and sealed on their own, kept once, and gone on from by later capsules. docs/format.md, "Incremental capsules".
 */
package dev.kvcapsule.engine.increment;
