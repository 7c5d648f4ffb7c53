/** Small real KV caches and golden vectors. */
module dev.kvcapsule.testdata {
    exports dev.kvcapsule.testdata;
}
