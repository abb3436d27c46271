package neweid.test;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Collects what was found: one line per check for people and counters, one JSON document for programs. */
final class Verdict {
    /** A check that may fail with any exception. */
    interface Body {
        /** Returns what is worth telling, or throws. */
        String run() throws Exception;
    }

    private final String scene;
    private final List<String> entries = new ArrayList<>();
    private final TreeSet<String> failures = new TreeSet<>();
    private final boolean quiet;

    Verdict(String scene) {
        this(scene, false);
    }

    /** {@code quiet}: nothing is printed, the caller judges. */
    Verdict(String scene, boolean quiet) {
        this.scene = scene;
        this.quiet = quiet;
    }

    /** Runs one check and says how it went. Returns whether it passed, so that what depends on it can be left out. */
    boolean check(String name, Body body) {
        try {
            String detail = body.run();
            say("ok", name, detail);
            return true;
        } catch (Exception | LinkageError error) {
            failures.add(name);
            say("FAIL", name, error.getClass().getSimpleName() + ": " + rootMessage(error));
            return false;
        }
    }

    boolean hasFailed() {
        return !failures.isEmpty();
    }

    /** The names of the checks that failed. */
    Set<String> failures() {
        return failures;
    }

    /** Whether any check was made. */
    boolean isEmpty() {
        return entries.isEmpty();
    }

    String toJson() {
        return "{\"scene\": " + quote(scene) + ", \"passed\": " + !hasFailed() + ", \"checks\": [\n  "
            + String.join(",\n  ", entries) + "\n]}\n";
    }

    static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalStateException(otherwise);
        }
    }

    private void say(String state, String name, String detail) {
        if (!quiet) {
            System.out.println((state + " jmrtd/" + scene + "/" + name + " " + detail.replace('\n', ' ')).trim());
        }
        entries.add("{\"check\": " + quote(name) + ", \"state\": " + quote(state) + ", \"detail\": " + quote(detail) + "}");
    }

    private static String rootMessage(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }

    private static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
