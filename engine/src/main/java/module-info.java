/** The engine: what a KV cache is, how it is cut into tiles, coded in parallel, and written as a capsule. */
@SuppressWarnings("requires-automatic") // Agrona is an automatic module
module dev.kvcapsule.engine {
    requires org.agrona;
    requires static jdk.incubator.vector;

    exports dev.kvcapsule.engine;
    exports dev.kvcapsule.engine.cache;
    exports dev.kvcapsule.engine.calibration;
    exports dev.kvcapsule.engine.codec;
    exports dev.kvcapsule.engine.compare;
    exports dev.kvcapsule.engine.format;
    exports dev.kvcapsule.engine.increment;
    exports dev.kvcapsule.engine.kernel;
    exports dev.kvcapsule.engine.keys;
    exports dev.kvcapsule.engine.linalg;
    exports dev.kvcapsule.engine.memory;
    exports dev.kvcapsule.engine.pipeline;
    exports dev.kvcapsule.engine.seal;

    uses dev.kvcapsule.engine.calibration.CalibrationFactory;
    uses dev.kvcapsule.engine.codec.CodecFactory;
    uses dev.kvcapsule.engine.kernel.DeviceProvider;
    uses dev.kvcapsule.engine.linalg.LinearAlgebraProvider;
    uses dev.kvcapsule.engine.seal.CryptoProvider;
}
