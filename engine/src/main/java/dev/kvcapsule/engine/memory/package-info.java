/** Off-heap scratch memory with simple lifetimes, of the host or of a device. */
package dev.kvcapsule.engine.memory;
