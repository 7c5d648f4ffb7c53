/** The CUDA Driver API as jextract writes it down: native/README.md says how. Not edited by hand. */
package dev.kvcapsule.cuda.driver;
