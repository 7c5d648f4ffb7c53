/** The policy file: YAML, read with the line and column of whatever is wrong, and the source that it describes. */
package dev.kvcapsule.sessions.permission.config;
