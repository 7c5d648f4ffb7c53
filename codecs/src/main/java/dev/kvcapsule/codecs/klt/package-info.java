/**
 * Transform coding of keys and values together (Karhunen-Loève transform): the rows of several layers of a token become one vector, weighted so that
 * equal error means equal harm, projected on the components of a basis, rounded with one step and entropy-coded. After KVTC (arXiv 2511.01815),
 * from which it differs in coding K and V jointly, in its weights, in a single step, in its entropy coder and in components that a capsule brings besides those of a
 * shared basis.
 */
package dev.kvcapsule.codecs.klt;
