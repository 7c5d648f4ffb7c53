/** Principal components of token vectors: what codecs share that transform the rows of several tensors together. */
package dev.kvcapsule.codecs.principal;
