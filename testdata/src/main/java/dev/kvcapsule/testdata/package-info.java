/** Real KV caches, small enough to come with the program; testdata/README.md says where each is from. */
package dev.kvcapsule.testdata;
