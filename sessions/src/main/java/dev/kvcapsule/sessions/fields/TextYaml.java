package dev.kvcapsule.sessions.fields;

import dev.kvcapsule.engine.MalformedDataException;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/** YAML of maps, lists and texts: every scalar is the text that stands there. */
public final class TextYaml {
    private TextYaml() {}

    /**
     * {@return the document: maps, lists and texts; null if it is empty}
     *
     * @throws MalformedDataException if it is not YAML, or a name is there twice; the message quotes the line
     */
    public static Object read(String yaml) throws MalformedDataException {
        try {
            return new Load(LoadSettings.builder().setAllowDuplicateKeys(false).setSchema(new TextSchema()).build()).loadFromString(yaml);
        } catch (YamlEngineException e) {
            throw new MalformedDataException("not YAML: " + e.getMessage());
        }
    }
}
