/** Native libraries, bound without JNI. */
module dev.kvcapsule.nativelib {
    requires transitive dev.kvcapsule.engine;

    exports dev.kvcapsule.blas;
    exports dev.kvcapsule.cuda;

    provides dev.kvcapsule.engine.kernel.DeviceProvider with dev.kvcapsule.cuda.CudaProvider;
    provides dev.kvcapsule.engine.linalg.LinearAlgebraProvider with dev.kvcapsule.blas.OpenBlasProvider;
    provides dev.kvcapsule.engine.seal.CryptoProvider with dev.kvcapsule.openssl.OpenSslCrypto;
}
