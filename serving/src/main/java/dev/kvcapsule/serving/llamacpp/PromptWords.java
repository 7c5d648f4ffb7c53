package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The 32-bit words in front of a GGSQ or GGSN payload: the prompt. Either the token ids alone, or llama-server's encoding: -1, version 1, count,
 * token ids, number of media, the token index at which each medium starts, and the media as count-prefixed byte strings.
 */
public final class PromptWords {
    /** The name of the blob in which a cache carries them. */
    public static final String BLOB = Origin.PROMPT_BLOB;

    private static final int SERVER_MARK = -1;
    private static final int SERVER_VERSION = 1;

    private final MemorySegment words;
    private final long firstToken;
    private final int tokens;
    private final boolean serverEncoding;
    private final int media;

    private PromptWords(MemorySegment words, long firstToken, int tokens, boolean serverEncoding, int media) {
        this.words = words;
        this.firstToken = firstToken;
        this.tokens = tokens;
        this.serverEncoding = serverEncoding;
        this.media = media;
    }

    /**
     * @param words the words as they are in the file, a multiple of 4 bytes
     * @throws MalformedDataException if they begin like llama-server's encoding and do not follow it; offsets count from the first word
     */
    public static PromptWords of(MemorySegment words) throws MalformedDataException {
        try {
            return parse(words);
        } catch (Broken e) {
            throw e.malformed();
        }
    }

    static PromptWords parse(MemorySegment words) throws Broken {
        long count = words.byteSize() / Integer.BYTES;
        if (words.byteSize() % Integer.BYTES != 0 || count > Integer.MAX_VALUE) {
            throw new Broken(0, "prompt words", words.byteSize() + " bytes are not a prompt of whole words");
        }
        if (count == 0 || words.get(Input.I32, 0) != SERVER_MARK) {
            return new PromptWords(words, 0, (int) count, false, 0);
        }
        Input in = new Input(words, Integer.BYTES);
        in.u32("prompt encoding version", SERVER_VERSION, SERVER_VERSION);
        int tokens = in.u32("prompt token count", 0, (int) count);
        long first = in.skip(4L * tokens, "prompt tokens");
        int media = in.u32("prompt media count", 0, (int) count);
        if (media == 0 && in.remaining() != 0) {
            throw new Broken(in.offset(), "end of the prompt", "expected here, " + in.remaining() + " bytes before the end of the words");
        }
        in.skip(4L * media, "prompt media starts");
        return new PromptWords(words, first, tokens, true, media);
    }

    /** Number of tokens, a medium's placeholders included. */
    public int tokens() {
        return tokens;
    }

    /** Number of images or other media among the tokens. */
    public int media() {
        return media;
    }

    /** One token id; -1 within a medium. */
    public int token(int index) {
        if (index < 0 || index >= tokens) {
            throw new IndexOutOfBoundsException("token " + index + " of " + tokens);
        }
        return words.get(Input.I32, firstToken + 4L * index);
    }

    /**
     * The words of a prefix, in the same encoding.
     *
     * @param count tokens to keep; all of them if there are fewer
     * @throws UnsupportedOperationException if the prompt holds media, whose tokens cannot be counted by position
     */
    MemorySegment prefix(int count) {
        if (count >= tokens) {
            return words;
        }
        if (media > 0) {
            throw new UnsupportedOperationException("a prompt with " + media + " images or other media cannot be cut");
        }
        if (!serverEncoding) {
            return words.asSlice(0, 4L * count);
        }
        MemorySegment cut = Arena.ofAuto().allocate(firstToken + 4L * count + 4);
        MemorySegment.copy(words, 0, cut, 0, firstToken + 4L * count);
        cut.set(Input.I32, 8, count);
        return cut;
    }

    /** All token ids. */
    public int[] toArray() {
        int[] ids = new int[tokens];
        Arrays.setAll(ids, this::token);
        return ids;
    }
}
