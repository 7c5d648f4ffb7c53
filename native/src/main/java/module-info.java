/** Native libraries, bound without JNI. */
module dev.kvcapsule.nativelib {
    requires transitive dev.kvcapsule.engine;

    exports dev.kvcapsule.blas;

    provides dev.kvcapsule.engine.linalg.LinearAlgebraProvider with dev.kvcapsule.blas.OpenBlasProvider;
    provides dev.kvcapsule.engine.seal.CryptoProvider with dev.kvcapsule.openssl.OpenSslCrypto;
}
