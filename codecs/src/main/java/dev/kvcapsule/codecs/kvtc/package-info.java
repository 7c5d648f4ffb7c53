/** Principal components over all layers, bits by dynamic programming, DEFLATE (KVTC, arXiv 2511.01815). */
package dev.kvcapsule.codecs.kvtc;
