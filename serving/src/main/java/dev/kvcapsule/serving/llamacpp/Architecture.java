package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.Rope.Pairing;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What llama.cpp knows of an architecture without its being in the GGUF metadata, from its sources of August 2026: the pairing
 * ({@code llama_model_rope_type}), the memory ({@code llama_model::create_memory}), sliding windows and rotated layers
 * ({@code load_arch_hparams} of each model). What is not in these tables is unknown, not guessed.
 *
 * @param pairing empty if the architecture has no RoPE, or none that a {@link dev.kvcapsule.engine.cache.Rope} describes
 * @param kind which parts its memory has
 * @param windows its sliding windows
 * @param rotated which of its layers rotate K
 */
record Architecture(Optional<Pairing> pairing, Kind kind, Windows windows, Rotated rotated) {

    /** The parts of a model's memory. */
    enum Kind { ATTENTION, HYBRID, RECURRENT, UNKNOWN }

    /** Which layers rotate K. */
    enum Rotated {
        ALL,
        /** Those with a window, if any layer has one. */
        LOCAL,
        /** Those with a window and the leading dense ones. */
        LOCAL_AND_LEADING,
        /** All but every fourth. */
        THREE_OF_FOUR,
        /** As {@link #THREE_OF_FOUR}, but only the last one goes without if no layer has a window. */
        LLAMA4,
        /** All, unless {@code rope.scaling.finetuned} is false, which these models use as a switch. */
        SWITCHED
    }

    /** Where the frequency base of windowed layers comes from, if {@code rope.freq_base_swa} is not there. */
    enum LocalBase { GLOBAL, TEN_THOUSAND }

    /**
     * Sliding-window layers.
     *
     * @param period one layer of so many is global; 0 if the metadata has to say which, 1 if none is
     * @param globalFirst whether it is the first of the period rather than the last
     * @param window tokens if the metadata does not say; 0 if then no layer has a window
     * @param fixed whether the window is that, unless the metadata says 0
     * @param base the frequency base of windowed layers
     * @param scaled whether they share the linear scale of global layers
     */
    record Windows(int period, boolean globalFirst, int window, boolean fixed, LocalBase base, boolean scaled) {
        static final Windows NONE = new Windows(-1, false, 0, false, LocalBase.GLOBAL, false);

        static Windows every(int period, LocalBase base, boolean scaled) {
            return new Windows(period, false, 0, false, base, scaled);
        }

        Windows globalAtFirst() {
            return new Windows(period, true, window, fixed, base, scaled);
        }

        Windows ofDefault(int tokens) {
            return new Windows(period, globalFirst, tokens, false, base, scaled);
        }

        Windows ofFixed(int tokens) {
            return new Windows(period, globalFirst, tokens, true, base, scaled);
        }
    }

    private static final Set<String> INTERLEAVED = names("llama llama4 deci baichuan starcoder internlm2 minicpm xverse command-r cohere2 cohere2moe "
            + "olmo arctic deepseek muse-glimmer chatglm granite granitemoe granitehybrid granite_swa chameleon bailingmoe smollm3 arcee ernie4_5 "
            + "ernie4_5-moe mistral3 maincoder nanbeige glm4");
    private static final Set<String> HALF_SPLIT = names("falcon falcon-h1 grok dbrx stablelm bitnet qwen qwen2 qwen2moe qwen3 qwen3moe olmo2 olmoe phi2 "
            + "phi3 phimoe plamo plamo2 plamo3 gemma gemma2 gemma3 gemma3n gemma4 starcoder2 openelm gptneox codeshell orion nemotron exaone exaone4 "
            + "exaone-moe bailingmoe2 dots1 hunyuan-moe jais2 gpt-oss hunyuan-dense hy_v3 lfm2 lfm2moe smallthinker seed_oss grovemoe apertus "
            + "minimax-01 minimax-m2 cogvlm pangu-embedded afmoe laguna qwen3next mimo2 spark2_5 talkie mellum maple hrm_text glm4moe hunyuan_vl "
            // M-RoPE: for text, where the positions of all sections are equal, the same as half-split.
            + "qwen2vl paddleocr qwen3vl qwen3vlmoe qwen35 qwen35moe");
    private static final Set<String> NO_ROPE = names("gpt2 gptj mpt refact bloom mamba mamba2 jamba t5 jais rwkv6 rwkv6qwen2 rwkv7 arwkv7 nemotron_h "
            + "nemotron_h_moe kimi-linear kimi-k3");
    /** Rotated channels are the last of a head, or not known well enough to say. */
    private static final Set<String> ROPE_UNKNOWN = names("deepseek2 deepseek2-ocr plm minicpm3 mistral4 step35 bailingmoe3");

    private static final Set<String> RECURRENT = names("mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7");
    private static final Set<String> HYBRID = names("jamba falcon-h1 plamo2 granitehybrid lfm2 lfm2moe nemotron_h nemotron_h_moe qwen3next kimi-linear "
            + "bailingmoe3 kimi-k3 qwen35 qwen35moe minimax-01");

    private static final Map<String, Windows> WINDOWS = Map.ofEntries(
            Map.entry("gemma2", Windows.every(2, LocalBase.GLOBAL, true).ofDefault(4096)),
            Map.entry("gemma3", Windows.every(6, LocalBase.TEN_THOUSAND, false)),
            Map.entry("gemma3n", Windows.every(5, LocalBase.TEN_THOUSAND, false)),
            Map.entry("gemma4", Windows.every(0, LocalBase.TEN_THOUSAND, false)),
            Map.entry("cohere2", Windows.every(4, LocalBase.GLOBAL, true)),
            Map.entry("cohere2moe", Windows.every(4, LocalBase.GLOBAL, true).globalAtFirst()),
            Map.entry("exaone4", Windows.every(4, LocalBase.GLOBAL, true).ofDefault(4096)),
            Map.entry("exaone-moe", Windows.every(4, LocalBase.GLOBAL, true).ofDefault(128)),
            Map.entry("gpt-oss", Windows.every(2, LocalBase.GLOBAL, true)),
            Map.entry("olmo2", Windows.every(4, LocalBase.GLOBAL, false)),
            Map.entry("smallthinker", Windows.every(4, LocalBase.GLOBAL, true).globalAtFirst()),
            Map.entry("plamo3", Windows.every(8, LocalBase.TEN_THOUSAND, false)),
            Map.entry("afmoe", Windows.every(4, LocalBase.GLOBAL, true)),
            Map.entry("mellum", Windows.every(4, LocalBase.GLOBAL, true)),
            Map.entry("llama4", Windows.every(4, LocalBase.GLOBAL, true).ofFixed(8192)),
            Map.entry("lfm2", Windows.every(1, LocalBase.GLOBAL, true)),
            Map.entry("mimo2", Windows.every(0, LocalBase.TEN_THOUSAND, false)),
            Map.entry("step35", Windows.every(0, LocalBase.TEN_THOUSAND, false)),
            Map.entry("granite_swa", Windows.every(0, LocalBase.GLOBAL, true)),
            Map.entry("maple", Windows.every(0, LocalBase.GLOBAL, true)),
            Map.entry("spark2_5", Windows.every(0, LocalBase.GLOBAL, true)),
            Map.entry("muse-glimmer", Windows.every(4, LocalBase.GLOBAL, false)),
            Map.entry("laguna", Windows.every(4, LocalBase.GLOBAL, false).globalAtFirst()));

    private static final Map<String, Rotated> ROTATED = Map.of(
            "cohere2", Rotated.LOCAL, "cohere2moe", Rotated.LOCAL_AND_LEADING, "exaone4", Rotated.LOCAL,
            "exaone-moe", Rotated.LOCAL, "smallthinker", Rotated.LOCAL, "afmoe", Rotated.THREE_OF_FOUR, "smollm3", Rotated.THREE_OF_FOUR,
            "llama4", Rotated.LLAMA4, "granite", Rotated.SWITCHED, "granitehybrid", Rotated.SWITCHED);

    private static Set<String> names(String names) {
        return Set.copyOf(new HashSet<>(Arrays.asList(names.split(" "))));
    }

    /** @param name the value of {@code general.architecture} */
    static Architecture of(String name) {
        Optional<Pairing> pairing = INTERLEAVED.contains(name) ? Optional.of(Pairing.INTERLEAVED)
                : HALF_SPLIT.contains(name) ? Optional.of(Pairing.HALF_SPLIT) : Optional.empty();
        boolean known = pairing.isPresent() || NO_ROPE.contains(name) || ROPE_UNKNOWN.contains(name);
        Kind kind = RECURRENT.contains(name) ? Kind.RECURRENT : HYBRID.contains(name) ? Kind.HYBRID : known ? Kind.ATTENTION : Kind.UNKNOWN;
        return new Architecture(pairing, kind, WINDOWS.getOrDefault(name, Windows.NONE), ROTATED.getOrDefault(name, Rotated.ALL));
    }
}
