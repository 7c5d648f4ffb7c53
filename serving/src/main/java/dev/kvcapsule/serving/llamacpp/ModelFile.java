package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.CacheStructure;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.serving.ModelFacts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** What a sealed capsule is bound to of a GGUF file. */
public final class ModelFile {
    private static final String TOKENIZER = "tokenizer.ggml.";
    private static final long PIECE = 4 << 20;

    private ModelFile() {}

    /**
     * Names a model: by its general.name (else its architecture), the SHA-256 of the whole file, and the SHA-256 of its tokenizer.
     *
     * @param progress hears how much of the file has been read
     */
    public static ModelIdentity identify(Path gguf, Progress progress) throws IOException {
        try (FileChannel channel = FileChannel.open(gguf, StandardOpenOption.READ); Arena arena = Arena.ofConfined()) {
            MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            GgufHeader header = GgufHeader.read(file);
            String id = header.string("general.name").or(() -> header.string("general.architecture")).orElse("unnamed");
            MessageDigest weights = sha256();
            for (long at = 0; at < file.byteSize(); at += PIECE) {
                weights.update(file.asSlice(at, Math.min(PIECE, file.byteSize() - at)).asByteBuffer());
                progress.update(at, file.byteSize());
            }
            MessageDigest tokenizer = sha256();
            boolean known = header.digest(TOKENIZER, tokenizer) > 0;
            return new ModelIdentity(id, Optional.of(HexFormat.of().formatHex(weights.digest())),
                    known ? Optional.of(HexFormat.of().formatHex(tokenizer.digest())) : Optional.empty());
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    /** Layers with the heads, channels, RoPE and windows of that model, of any element type: that is the runtime's choice. */
    public static CacheStructure structure(ModelFacts facts) {
        List<ModelFacts.Layer> layers = facts.layers();
        return layer -> {
            if (layers.isEmpty()) {
                return true;
            }
            if (layer.layer() >= layers.size()) {
                return false;
            }
            ModelFacts.Layer known = layers.get(layer.layer());
            int valueDim = known.valueHeadDim() == ModelFacts.NO_VALUE ? 0 : known.valueHeadDim();
            return known.attention() && said(known.kvHeads(), layer.kvHeads()) && said(known.keyHeadDim(), layer.keyHeadDim())
                    && (known.valueHeadDim() == 0 || valueDim == layer.valueHeadDim()) && known.window() == layer.window()
                    && (layer.rope().isEmpty() || known.rope().equals(layer.rope()));
        };
    }

    /** 0 is "not said". */
    private static boolean said(int known, int found) {
        return known == 0 || known == found;
    }
}
