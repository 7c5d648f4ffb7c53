package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.gateway.Credentials;
import dev.kvcapsule.gateway.Gateway;
import dev.kvcapsule.gateway.GatewayOptions;
import dev.kvcapsule.gateway.Limits;
import dev.kvcapsule.gateway.ServerTls;
import dev.kvcapsule.gateway.SummarizerOptions;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The gateway in front of a llama-server. */
@Command(name = "serve", mixinStandardHelpOptions = true, sortOptions = false, description = "Runs the gateway in front of a llama-server: its slots leave and come back as sealed capsules.",
        footerHeading = "%nExamples:%n", footer = {"  llama-server -m model.gguf --slot-save-path slots --port 8081 --cache-ram 0",
            "  capsule serve --upstream http://127.0.0.1:8081 --slot-dir slots --listen 127.0.0.1:8080 --tokens tokens.yaml --model model.gguf", "",
            "tokens.yaml, readable by its owner only; sha256:HEX in place of a token keeps it out of the file:",
            "  0123456789abcdef0123: {org: acme, user: ann, permissions: [infer, export, restore, manage, sessions, metrics]}",
            "  cert:9F:86:D0:...: {org: acme, user: bob, permissions: [infer]}          # openssl x509 -in client.pem -noout -fingerprint -sha256", "",
            "Logs are JSON lines on standard error. docs/resume.md has the endpoints and what they promise."})
final class ServeCommand implements Callable<Integer> {
    @Option(names = "--upstream", paramLabel = "URL", required = true, description = "The llama-server, http://HOST:PORT.")
    private URI upstream;

    @Option(names = "--slot-dir", paramLabel = "DIR", required = true, description = "The folder that llama-server has as --slot-save-path.")
    private Path slotDir;

    @Option(names = "--listen", paramLabel = "HOST:PORT", defaultValue = "127.0.0.1:8080", description = "Where to listen (default: ${DEFAULT-VALUE}); port 0 takes any that is free.")
    private String listen;

    @Option(names = "--tokens", paramLabel = "FILE", required = true, description = "YAML: token or certificate -> org, user, permissions.")
    private Path tokens;

    @Option(names = "--tls-cert", paramLabel = "PEM", description = "The gateway's certificate: it then speaks https.")
    private Path certificate;

    @Option(names = "--tls-key", paramLabel = "PEM", description = "Its private key, PKCS #8, readable by its owner only.")
    private Path certificateKey;

    @Option(names = "--client-ca", paramLabel = "PEM", description = "Clients may show certificates of these authorities in place of a token.")
    private Path clientAuthorities;

    @Option(names = "--profile", paramLabel = "P", description = "exact, fast, balanced (the default) or small.", converter = Profile.Converter.class)
    private Profile profile;

    @Option(names = "--sign", paramLabel = "KID", description = "The signing key (default: the newest).")
    private String signer;

    @Option(names = "--expires", paramLabel = "7d", defaultValue = "7d", description = "How long capsules may be used: a number and s, m, h or d (default: ${DEFAULT-VALUE}).",
            converter = DurationConverter.class)
    private Duration lifetime;

    @Option(names = "--store", paramLabel = "DIR", description = "Where capsules are that the gateway keeps (default: store/ in CAPSULE_HOME).")
    private Path store;

    @Option(names = "--max-capsule", paramLabel = "BYTES", description = "Largest capsule that is taken (default: 8 GiB).")
    private Long maxCapsule;

    @Option(names = "--max-store", paramLabel = "BYTES", description = "Most bytes of capsules that are kept for one user (default: 32 GiB).")
    private Long maxStore;

    @Option(names = "--rate", paramLabel = "N", description = "Requests a second of one user in the long run (default: 50).")
    private Double rate;

    @Option(names = "--requests", paramLabel = "N", description = "Requests under way (default: 256), three quarters of them one user's at most.")
    private Integer requests;

    @Option(names = "--time-limit", paramLabel = "1h", description = "Longest time of a request (default: 1h).", converter = DurationConverter.class)
    private Duration timeLimit;

    @Option(names = "--session-age", paramLabel = "90d", description = "Remove sessions that nobody has changed for so long, with their capsules and those's keys (default: when their own time is over).",
            converter = DurationConverter.class)
    private Duration sessionAge;

    @Option(names = "--summarizer", paramLabel = "URL", defaultValue = "upstream", description = "Who writes summaries when a session is compacted over HTTP: upstream (the default), an OpenAI-compatible endpoint, or none: lines are taken over.")
    private String summarizer;

    @Option(names = "--summarizer-token-file", paramLabel = "F", description = "Holds the bearer token of that endpoint, on its first line.")
    private Path summarizerToken;

    @Option(names = "--summarizer-model", paramLabel = "NAME", defaultValue = "default", description = "The model's name there.")
    private String summarizerModel;

    @Option(names = "--summary-tokens", paramLabel = "N", defaultValue = "512", description = "Longest summary (default: ${DEFAULT-VALUE}).")
    private int summaryTokens;

    @Option(names = "--threads", paramLabel = "N", description = "Worker threads of an export or restore (default: one a processor).")
    private int threads;

    @Option(names = "--warm-up", negatable = true, defaultValue = "true", fallbackValue = "true", description = "Have the codec compiled in the first seconds, so that the first export and restore are no slower than others (default: yes).")
    private boolean warmUp;

    @Mixin
    private ModelOptions model;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private DatabaseOptions database;

    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        try (FolderBases bases = basis.open(Path.of("-")); SessionDatabase sessions = database.open()) {
            GatewayOptions options = options(bases, err);
            serve(options, sessions, err);
        }
        return ExitCode.DONE;
    }

    private void serve(GatewayOptions options, SessionDatabase sessions, PrintWriter err) throws IOException, InterruptedException {
        try (Gateway gateway = Gateway.start(options, Optional.of(sessions), err)) {
            if (model.file() == null) {
                err.println("capsule: note: without --model capsules are bound to no model, and one of another model is only refused where its size differs");
            }
            CountDownLatch stopped = new CountDownLatch(1);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> close(gateway, stopped), "kvcapsule-stop"));
            spec.commandLine().getOut().println("listening on " + address().getHostString() + ":" + gateway.port());
            spec.commandLine().getOut().flush();
            if (warmUp) {
                WarmUp.start(options.codec(), options.pipeline());
            }
            stopped.await();
        }
    }

    /** Once this returns the system ends: nothing of anybody's conversation is left in the slot folder then. What the command itself closes after it is closed already. */
    private static void close(Gateway gateway, CountDownLatch stopped) {
        try {
            gateway.close();
        } catch (IOException e) {
            // The process ends anyway, and the system with it takes back what is left.
        }
        stopped.countDown();
    }

    private GatewayOptions options(FolderBases bases, PrintWriter err) throws IOException {
        KeyFolder folder = keys.opened("copy a registry there");
        String kid = signer != null ? signer : folder.defaultSigner(Instant.now()).orElseThrow(
                () -> new Failures.UsageException("no key in " + keys.folder() + " can sign now: make one with 'capsule keys new'")).kid();
        Limits most = Limits.DEFAULT;
        Codec codec = (profile == null ? Profile.BALANCED : profile).codec(basis.digest());
        Path kept = store == null ? BasisOptions.home().resolve("store") : store;
        int workers = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        try {
            Limits limits = new Limits(most.requestBytes(), maxCapsule == null ? most.capsuleBytes() : maxCapsule, maxStore == null ? most.storeBytes() : maxStore, most.connections(),
                    requests == null ? most.requests() : requests, most.capsules(), rate == null ? most.perSecond() : rate, most.patience(), most.stall(),
                    timeLimit == null ? most.total() : timeLimit);
            // As for one small file: a gateway's first export is what somebody waits for, and Panama kernels, until they are compiled, take more than twice as long.
            PipelineOptions pipeline = new PipelineOptions(workers, ColdStart.kernels(codec.spec(), 0), Progress.NONE, bases);
            Credentials credentials = Inputs.about(tokens.toString(), () -> Credentials.read(tokens));
            for (String organisation : credentials.organisations()) {
                // A tenant without a key is told now, not at its first checkpoint.
                folder.epoch(organisation);
            }
            return new GatewayOptions(address(), tls(), upstream, slotDir, kept, credentials, folder, folder.lifecycle()::revokeCapsules, kid, lifetime,
                    new GenerationFolder(SealOptions.generations(keys)), codec, pipeline, model.facts(), model.identity(err), summarizer(), Optional.ofNullable(sessionAge), limits);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    private SummarizerOptions summarizer() throws IOException {
        SummarizerOptions usual = SummarizerOptions.UPSTREAM;
        boolean isAddress = summarizer.contains("://");
        if (!isAddress && !summarizer.equals("upstream") && !summarizer.equals("none") || !isAddress && summarizerToken != null) {
            throw new Failures.UsageException("--summarizer takes upstream, none or http://HOST:PORT; --summarizer-token-file goes with an address");
        }
        SummarizerOptions.Writer writer = isAddress ? SummarizerOptions.Writer.ENDPOINT : summarizer.equals("none") ? SummarizerOptions.Writer.EXTRACTIVE : SummarizerOptions.Writer.UPSTREAM;
        Optional<String> token = summarizerToken == null ? Optional.empty() : Optional.of(TokenFile.read(summarizerToken));
        return new SummarizerOptions(writer, isAddress ? Optional.of(URI.create(summarizer)) : Optional.empty(), token, summarizerModel, summaryTokens, usual.total());
    }

    private Optional<ServerTls> tls() {
        if (certificate == null && (certificateKey != null || clientAuthorities != null) || certificate != null && certificateKey == null) {
            throw new Failures.UsageException("--tls-cert and --tls-key go together, --client-ca with both");
        }
        return Optional.ofNullable(certificate).map(file -> new ServerTls(file, certificateKey, Optional.ofNullable(clientAuthorities)));
    }

    private InetSocketAddress address() {
        int colon = listen.lastIndexOf(':');
        if (colon < 1 || !listen.substring(colon + 1).matches("[0-9]{1,5}")) {
            throw new Failures.UsageException("--listen takes HOST:PORT, not '" + listen + "'");
        }
        return InetSocketAddress.createUnresolved(listen.substring(0, colon), Integer.parseInt(listen.substring(colon + 1)));
    }
}
