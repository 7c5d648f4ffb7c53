/** Objects of JSON and YAML, read field by field with the place of what is wrong. */
package dev.kvcapsule.sessions.fields;
