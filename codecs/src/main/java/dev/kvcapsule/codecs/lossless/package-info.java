/** Byte planes and entropy coding: every bit comes back. */
package dev.kvcapsule.codecs.lossless;
