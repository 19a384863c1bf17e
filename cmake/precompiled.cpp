// The translation unit that cmake/library.cmake makes the precompiled headers with.
