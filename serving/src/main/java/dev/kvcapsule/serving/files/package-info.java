/** Caches and capsules as files: mapped inputs, atomic outputs, and the whole way from a state file to a capsule and back. */
package dev.kvcapsule.serving.files;
