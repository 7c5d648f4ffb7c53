/** Off-heap scratch memory with simple lifetimes. */
package dev.kvcapsule.engine.memory;
