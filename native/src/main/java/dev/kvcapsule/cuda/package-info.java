/**
 * Kernels on an NVIDIA GPU through the CUDA Driver API, bound by FFM. {@link dev.kvcapsule.cuda.CudaKernels} is the device with everything the codecs run on it;
 * {@link dev.kvcapsule.cuda.DeviceCache} is a cache in its memory. docs/cuda.md has the design.
 */
package dev.kvcapsule.cuda;
