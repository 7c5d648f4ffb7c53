/**
 * Tiles in parallel, in constant memory: a bounded ring of tiles is worked on by N threads and drained in order, so that a capsule's bytes do
 * not depend on the number of threads.
 */
package dev.kvcapsule.engine.pipeline;
