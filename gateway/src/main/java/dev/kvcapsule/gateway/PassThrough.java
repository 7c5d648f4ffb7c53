package dev.kvcapsule.gateway;

import io.vertx.core.MultiMap;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.RequestOptions;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Requests to the llama-server and its answers, piece by piece as they come. The server is read from as fast as the client reads, and its request is cut off when the
 * client goes away, which ends the evaluation.
 */
final class PassThrough {
    /** Of one connection (RFC 9110, 7.6.1), or replaced: the client's token is the gateway's, not the server's. */
    private static final Set<String> NOT_FORWARDED = Set.of("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
            "transfer-encoding", "upgrade", "host", "authorization", "content-length", "expect");

    private final HttpClient client;
    private final GatewayOptions options;
    private final PrefillRate rate;

    PassThrough(HttpClient client, GatewayOptions options, PrefillRate rate) {
        this.client = client;
        this.options = options;
        this.rate = rate;
    }

    /**
     * Forwards a request. Returns at once.
     *
     * @param body what to send
     * @param over runs once, when the server has nothing more to do with it
     */
    void forward(Exchange exchange, Buffer body, Runnable over) {
        exchange.context().runOnContext(v -> new Run(exchange, over).start(body));
    }

    /** One request under way; all of it happens on its context. */
    private final class Run {
        private final Exchange exchange;
        private final HttpServerResponse response;
        private final AtomicBoolean over = new AtomicBoolean();
        private final Runnable whenOver;
        private final TimingsTap tap = new TimingsTap();
        private HttpClientRequest upstream;
        private boolean gone;

        Run(Exchange exchange, Runnable whenOver) {
            this.exchange = exchange;
            this.response = exchange.response();
            this.whenOver = whenOver;
        }

        private void end() {
            if (over.compareAndSet(false, true)) {
                whenOver.run();
            }
        }

        void start(Buffer body) {
            if (response.closed()) {
                end();
                return;
            }
            exchange.onGone(() -> exchange.context().runOnContext(v -> cancel()));
            RequestOptions target = new RequestOptions().setMethod(exchange.request().method()).setHost(options.upstream().getHost()).setPort(options.upstreamPort())
                    .setURI(exchange.request().uri()).setIdleTimeout(options.limits().total().plusSeconds(1).toMillis());
            client.request(target).onComplete(made -> {
                if (made.failed()) {
                    fail(new RequestException(502, "no-server", "the llama-server cannot be reached"));
                    return;
                }
                upstream = made.result();
                if (gone) {
                    cancel();
                    return;
                }
                copy(exchange.request().headers(), upstream.headers());
                upstream.response().onComplete(answer -> {
                    if (answer.failed()) {
                        fail(new RequestException(502, "no-server", "the llama-server gave no answer"));
                    } else {
                        answer(answer.result());
                    }
                });
                if (body.length() > 0) {
                    upstream.end(body);
                } else {
                    upstream.end();
                }
            });
        }

        /** The client has gone: closing the connection is how llama-server is told. */
        private void cancel() {
            gone = true;
            if (upstream != null) {
                upstream.reset();
            }
            end();
        }

        private void fail(RequestException why) {
            if (!gone) {
                exchange.fail(why);
            }
            end();
        }

        private void answer(HttpClientResponse answer) {
            response.setStatusCode(answer.statusCode()).setStatusMessage(answer.statusMessage());
            copy(answer.headers(), response.headers());
            String length = answer.getHeader("Content-Length");
            if (length != null) {
                response.putHeader("Content-Length", length);
            } else {
                response.setChunked(true);
            }
            answer.handler(piece -> {
                tap.add(piece);
                response.write(piece);
                if (response.writeQueueFull()) {
                    answer.pause();
                    response.drainHandler(v -> answer.resume());
                }
            });
            answer.exceptionHandler(e -> {
                if (!gone) {
                    // The client must not take the first part for the whole.
                    exchange.cut();
                }
                end();
            });
            answer.endHandler(v -> {
                tap.timings().ifPresent(this::evaluated);
                // The slot is free before its client knows that the answer is over.
                end();
                response.end();
            });
        }

        private void evaluated(LlamaServer.Evaluation evaluation) {
            rate.add(evaluation);
            exchange.metrics().evaluated("infer", evaluation, rate.tokensPerSecond());
            exchange.note("tokens_reused", evaluation.reused());
            exchange.note("tokens_evaluated", evaluation.evaluated());
        }

        private static void copy(MultiMap from, MultiMap to) {
            from.forEach((name, value) -> {
                if (!NOT_FORWARDED.contains(name.toLowerCase(Locale.ROOT))) {
                    to.add(name, value);
                }
            });
        }
    }
}
