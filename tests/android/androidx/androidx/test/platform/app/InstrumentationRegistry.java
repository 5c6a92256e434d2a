package androidx.test.platform.app;

/** A stand-in to compile against. */
public final class InstrumentationRegistry {
    public static android.app.Instrumentation getInstrumentation() {
        throw new RuntimeException();
    }

    public static android.os.Bundle getArguments() {
        throw new RuntimeException();
    }
}
