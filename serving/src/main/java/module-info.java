/** Other people's formats: llama.cpp state files and GGUF headers, safetensors; and llama.cpp itself, through its C API. */
module dev.kvcapsule.serving {
    requires transitive dev.kvcapsule.engine;
    requires com.fasterxml.jackson.core;

    exports dev.kvcapsule.serving;
    exports dev.kvcapsule.serving.calibration;
    exports dev.kvcapsule.serving.files;
    exports dev.kvcapsule.serving.json;
    exports dev.kvcapsule.serving.llamacpp;
    exports dev.kvcapsule.serving.llamacpp.runtime;
    exports dev.kvcapsule.serving.report;
    exports dev.kvcapsule.serving.safetensors;
}
