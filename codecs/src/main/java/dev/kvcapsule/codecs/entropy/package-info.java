/** Entropy-coded byte streams inside tile payloads: rANS where it wins, plain bytes where it does not. */
package dev.kvcapsule.codecs.entropy;
