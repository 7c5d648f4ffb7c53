/** JSON as maps and lists: what commands print, what sessions keep, what a gateway answers. */
package dev.kvcapsule.serving.json;
