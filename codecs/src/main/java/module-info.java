/** The codecs: one package an algorithm, and the entropy coding they share. */
module dev.kvcapsule.codecs {
    requires transitive dev.kvcapsule.engine;

    provides dev.kvcapsule.engine.calibration.CalibrationFactory with
            dev.kvcapsule.codecs.klt.KltCalibrationFactory,
            dev.kvcapsule.codecs.kvtc.KvtcCalibrationFactory;

    provides dev.kvcapsule.engine.codec.CodecFactory with
            dev.kvcapsule.codecs.cachegen.CacheGenCodecFactory,
            dev.kvcapsule.codecs.fp8.Fp8CodecFactory,
            dev.kvcapsule.codecs.kivi.KiviCodecFactory,
            dev.kvcapsule.codecs.klt.KltCodecFactory,
            dev.kvcapsule.codecs.kvtc.KvtcCodecFactory,
            dev.kvcapsule.codecs.lossless.LosslessCodecFactory,
            dev.kvcapsule.codecs.raw.RawCodecFactory,
            dev.kvcapsule.codecs.rotated.RotatedCodecFactory,
            dev.kvcapsule.codecs.svd.SvdCodecFactory;
}
