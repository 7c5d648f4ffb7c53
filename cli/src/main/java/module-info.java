/** The {@code capsule} command. */
@SuppressWarnings("requires-automatic") // picocli's readers of annotations need no more than its jar
module dev.kvcapsule.cli {
    requires dev.kvcapsule.codecs;
    requires dev.kvcapsule.gateway;
    requires dev.kvcapsule.serving;
    requires dev.kvcapsule.sessions;
    requires dev.kvcapsule.testdata;
    requires info.picocli;
    requires jdk.httpserver;

    opens dev.kvcapsule.cli to info.picocli;
}
