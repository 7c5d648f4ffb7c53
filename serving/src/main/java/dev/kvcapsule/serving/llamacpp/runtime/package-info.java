/**
 * llama.cpp as a library, driven through the Foreign Function and Memory API: a model is run to make KV caches and the statistics that
 * calibration needs, and to judge what a decoded cache costs in predictions.
 *
 * <p>{@link dev.kvcapsule.serving.llamacpp.runtime.LibLlama} is loaded from the folder that {@code CAPSULE_LIBLLAMA} names; it has to be a build
 * with the C API of llama.cpp v0.5.0, which is checked. {@link dev.kvcapsule.serving.llamacpp.runtime.ModelRunner} is the way in for most uses.
 * Native code runs in this process: its memory is bounded by the model and the context, its failed assertions end the process, and states are
 * parsed by this project's total parser before llama.cpp's sees them. Java needs {@code --enable-native-access} for this module.
 */
package dev.kvcapsule.serving.llamacpp.runtime;
