package dev.kvcapsule.sessions.permission.config;

import dev.kvcapsule.engine.MalformedDataException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.composer.Composer;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.CollectionEndEvent;
import org.snakeyaml.engine.v2.events.CollectionStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.parser.Parser;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.scanner.StreamReader;
import org.snakeyaml.engine.v2.schema.FailsafeSchema;

/** A place in a YAML file whose scalars are all text. Whatever is wrong is said with the place's name, line and column. */
final class YamlNode {
    private static final int MAX_DEPTH = 32;

    private final Node node;
    private final String where;

    private YamlNode(Node node, String where) {
        this.node = node;
        this.where = where;
    }

    /**
     * Reads a file's one document.
     *
     * @param name of its root, for messages
     */
    static YamlNode parse(String yaml, String name) throws MalformedDataException {
        LoadSettings settings = LoadSettings.builder().setSchema(new FailsafeSchema()).setLabel(name).build();
        try {
            bounded(new ParserImpl(settings, new StreamReader(settings, yaml)));
            Optional<Node> document = new Composer(settings, new ParserImpl(settings, new StreamReader(settings, yaml))).getSingleNode();
            return new YamlNode(document.orElseThrow(() -> new MalformedDataException(name + ": the file is empty")), name);
        } catch (MarkedYamlEngineException e) {
            throw new MalformedDataException(name + e.getProblemMark().map(mark -> " (" + place(mark) + ")").orElse("") + ": not YAML: " + e.getProblem());
        } catch (YamlEngineException e) {
            throw new MalformedDataException("not YAML: " + e.getMessage());
        }
    }

    /** Before nodes are made, which recurses: nothing deep, and no aliases, by which a node could hold itself. */
    private static void bounded(Parser events) throws MalformedDataException {
        int depth = 0;
        while (events.hasNext()) {
            Event event = events.next();
            if (event instanceof AliasEvent) {
                throw at(event, "aliases are not taken");
            }
            depth += event instanceof CollectionStartEvent ? 1 : event instanceof CollectionEndEvent ? -1 : 0;
            if (depth > MAX_DEPTH) {
                throw at(event, "nested deeper than " + MAX_DEPTH);
            }
        }
    }

    private static MalformedDataException at(Event event, String what) {
        return new MalformedDataException(event.getStartMark().map(YamlNode::place).orElse("somewhere") + ": " + what);
    }

    private static String place(Mark mark) {
        return "line " + (mark.getLine() + 1) + ", column " + (mark.getColumn() + 1);
    }

    /** What is wrong here. */
    MalformedDataException wrong(String what) {
        String mark = node.getStartMark().map(start -> " (" + place(start) + ")").orElse("");
        return new MalformedDataException(where + mark + ": " + what);
    }

    /** The line, counted from 1. */
    int line() {
        return node.getStartMark().map(start -> start.getLine() + 1).orElse(0);
    }

    /** A text; quoted ones may be empty. */
    String text() throws MalformedDataException {
        if (!(node instanceof ScalarNode scalar) || !scalar.getTag().equals(Tag.STR)) {
            throw wrong("text was expected");
        }
        return scalar.getValue();
    }

    /** A whole number between bounds. */
    int number(int least, int most) throws MalformedDataException {
        String text = text();
        if (!text.matches("[0-9]{1,9}") || Integer.parseInt(text) < least || Integer.parseInt(text) > most) {
            throw wrong("a whole number from " + least + " to " + most + " was expected");
        }
        return Integer.parseInt(text);
    }

    /** A list. */
    List<YamlNode> list() throws MalformedDataException {
        if (!(node instanceof SequenceNode sequence) || !sequence.getTag().equals(Tag.SEQ)) {
            throw wrong("a list was expected");
        }
        List<YamlNode> elements = new ArrayList<>();
        for (Node element : sequence.getValue()) {
            elements.add(new YamlNode(element, where + "[" + elements.size() + "]"));
        }
        return elements;
    }

    /** A mapping whose keys are not known before. */
    Map<String, YamlNode> map() throws MalformedDataException {
        if (!(node instanceof MappingNode mapping) || !mapping.getTag().equals(Tag.MAP)) {
            throw wrong("a mapping was expected");
        }
        Map<String, YamlNode> entries = new LinkedHashMap<>();
        for (NodeTuple entry : mapping.getValue()) {
            YamlNode key = new YamlNode(entry.getKeyNode(), where);
            String name = key.text();
            if (entries.put(name, new YamlNode(entry.getValueNode(), where + "." + name)) != null) {
                throw key.wrong("'" + name + "' is there twice");
            }
        }
        return entries;
    }

    /** A mapping of known keys: another one is most likely misspelt. */
    Map<String, YamlNode> map(List<String> keys) throws MalformedDataException {
        Map<String, YamlNode> entries = map();
        for (NodeTuple entry : ((MappingNode) node).getValue()) {
            YamlNode key = new YamlNode(entry.getKeyNode(), where);
            if (!keys.contains(key.text())) {
                throw key.wrong("there is no field '" + key.text() + "', only " + String.join(", ", keys));
            }
        }
        return entries;
    }
}
