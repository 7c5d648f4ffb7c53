package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.KeyException;
import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.ConnectException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;

/** One request and its answer: answered once, counted and logged when it is over. */
final class Exchange {
    private static final long LINGER_MILLIS = 1000;

    /** Frames of a failure that the log tells. */
    private static final int TRACED = 6;

    private final HttpServerRequest request;
    private final Context context;
    private final Metrics metrics;
    private final RequestLog log;
    private final Executor threads;
    private final long timer;
    private final List<Runnable> whenOver = new ArrayList<>();
    private final long start = System.nanoTime();
    private final JsonObject notes = new JsonObject();
    private volatile Optional<Principal> principal = Optional.empty();
    private volatile String operation = "none";
    private final List<Runnable> whenGone = new ArrayList<>();
    private final List<Thread> working = new ArrayList<>();
    private boolean ended;
    private boolean gone;
    private volatile boolean late;

    /**
     * Begins one; on its context.
     *
     * @param threads run what blocks
     * @param total how long it may take, whatever it does
     */
    Exchange(HttpServerRequest request, Context context, Metrics metrics, RequestLog log, Executor threads, Duration total) {
        this.request = request;
        this.context = context;
        this.metrics = metrics;
        this.log = log;
        this.threads = threads;
        metrics.begun();
        timer = context.owner().setTimer(Math.max(1, total.toMillis()), t -> tooLate());
        response().endHandler(v -> {
            end("answered");
            forgetRest();
        });
        response().closeHandler(v -> {
            end("closed");
            gone();
        });
    }

    /** Runs something if the connection closes before the answer is over, at once if it has: this is the one place that hears of it. */
    void onGone(Runnable work) {
        synchronized (this) {
            if (!gone) {
                whenGone.add(work);
                return;
            }
        }
        work.run();
    }

    /** Runs something once, when the request is over, however it ends; at once if it is. */
    void onOver(Runnable work) {
        synchronized (this) {
            if (!ended) {
                whenOver.add(work);
                return;
            }
        }
        work.run();
    }

    /**
     * The request has had its time: whoever moves a byte now and then holds a place no longer than others. It is told if nothing was answered yet, and ends where it stands:
     * what the server does for it, as if the client had gone, and its thread.
     */
    private void tooLate() {
        List<Thread> threadsOfIts;
        synchronized (this) {
            if (ended) {
                return;
            }
            threadsOfIts = List.copyOf(working);
        }
        fail(new RequestException(408, "timeout", "the request took too long"));
        late = true;
        end("cut");
        gone();
        threadsOfIts.forEach(Thread::interrupt);
    }

    private void gone() {
        List<Runnable> work;
        synchronized (this) {
            gone = true;
            work = List.copyOf(whenGone);
            whenGone.clear();
        }
        work.forEach(Runnable::run);
    }

    private void end(String how) {
        List<Runnable> work;
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
            work = List.copyOf(whenOver);
        }
        context.owner().cancelTimer(timer);
        work.forEach(Runnable::run);
        metrics.ended();
        metrics.answered(operation, response().getStatusCode());
        JsonObject fields = new JsonObject().put("operation", operation).put("method", request.method().name()).put("status", response().getStatusCode()).put("end", how);
        principal.ifPresent(who -> fields.put("org", who.org()).put("user", who.user()));
        fields.put("seconds", (System.nanoTime() - start) / 1e9);
        synchronized (notes) {
            fields.mergeIn(notes);
        }
        log.event("request", fields);
    }

    HttpServerRequest request() {
        return request;
    }

    HttpServerResponse response() {
        return request.response();
    }

    Context context() {
        return context;
    }

    Metrics metrics() {
        return metrics;
    }

    Principal principal() {
        return principal.orElseThrow();
    }

    void setPrincipal(Principal who) {
        principal = Optional.of(who);
    }

    /** @param name for metrics and the log: one of a few, never a client's */
    void setOperation(String name) {
        operation = name;
    }

    /** What serves a request. */
    interface Work {
        void run() throws IOException, InterruptedException;
    }

    /** Runs something; its failure is the answer. */
    void guarded(Work work) {
        try {
            work.run();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            fail(new RequestException(503, "stopping", "the gateway is stopping"));
        } catch (IOException | RuntimeException | Error e) {
            fail(e);
        }
    }

    /** The same in a thread of the request's own, which may block. */
    void blocking(Work work) {
        try {
            threads.execute(() -> {
                Thread mine = Thread.currentThread();
                synchronized (this) {
                    working.add(mine);
                }
                try {
                    guarded(work);
                } finally {
                    synchronized (this) {
                        working.remove(mine);
                    }
                }
            });
        } catch (RejectedExecutionException e) {
            fail(new RequestException(503, "stopping", "the gateway is stopping"));
        }
    }

    /** Adds a field to the log's line. */
    void note(String name, Object value) {
        synchronized (notes) {
            notes.put(name, value);
        }
    }

    /** Seconds since it began. */
    double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }

    void json(int status, JsonObject body) {
        answer(status, "application/json", body.toBuffer());
    }

    void answer(int status, String type, Buffer body) {
        synchronized (notes) {
            // Its thread and its timer may both want to.
            if (!response().ended() && !response().closed()) {
                response().setStatusCode(status).putHeader("Content-Type", type).putHeader("Cache-Control", "no-store").end(body);
            }
        }
    }

    /** A refusal's true reason, for operators. */
    void refused(RefusalCode code, String detail) {
        metrics.refused(code.label());
        note("refused", code.label());
        note("detail", detail);
    }

    /** Answers with an error, or, if the answer has begun, cuts the connection: a client must not take the first part for the whole. */
    void fail(Throwable failure) {
        if (late) {
            // That was the answer.
            return;
        }
        RequestException error = classify(failure);
        note("code", error.code());
        if (error.status() >= 500) {
            note("failure", String.valueOf(failure));
            note("at", Arrays.stream(failure.getStackTrace()).limit(TRACED).map(StackTraceElement::toString).toList());
        }
        if (!(failure instanceof CapsuleRefusedException)) {
            metrics.refused(error.code());
        }
        if (response().headWritten()) {
            cut();
            return;
        }
        if (error.status() == 429 || error.status() == 503) {
            response().putHeader("Retry-After", "1");
        }
        if (error.status() == 401) {
            response().putHeader("WWW-Authenticate", "Bearer");
        }
        json(error.status(), new JsonObject().put("error", new JsonObject().put("code", error.code()).put("message", error.getMessage())));
    }

    /**
     * Breaks an answer off that has begun. What the socket has not taken yet stays with it until its client reads, goes away, or has been idle for too long; the request is
     * over at once.
     */
    void cut() {
        end("cut");
        response().reset();
    }

    /**
     * What is left of the body is of no interest. A client that is still sending is heard out for a moment, since it would not see its answer otherwise; one that has not
     * ended then is cut off.
     */
    private void forgetRest() {
        if (request.isEnded()) {
            return;
        }
        request.handler(piece -> { });
        request.exceptionHandler(e -> { });
        request.resume();
        context.owner().setTimer(LINGER_MILLIS, timer -> {
            if (!request.isEnded()) {
                request.connection().close();
            }
        });
    }

    private static RequestException classify(Throwable failure) {
        return switch (failure) {
            case RequestException e -> e;
            case CapsuleRefusedException e when e.code().toOutsiders() == RefusalCode.NOT_FOUND -> new RequestException(404, RefusalCode.NOT_FOUND.label(), e.getMessage());
            case CapsuleRefusedException e -> new RequestException(422, e.code().label(), e.getMessage());
            case MalformedDataException e -> new RequestException(422, "malformed", e.getMessage());
            case LlamaServer.ServerRefusedException e -> new RequestException(502, "server", "the llama-server does not do it: another model or cache type, or too few cells");
            case KeyException e -> new RequestException(500, "keys", "the gateway's keys do not allow it");
            case UnsupportedOperationException e when e.getMessage() != null -> new RequestException(422, "unsupported", e.getMessage());
            case ConnectException e -> new RequestException(502, "no-server", "the llama-server cannot be reached");
            case IOException e -> new RequestException(502, "io", "input or output failed");
            default -> new RequestException(500, "bug", "a bug of the gateway's");
        };
    }
}
