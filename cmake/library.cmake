# The folders whose code runs long. The others and all tests are compiled fast instead of fast to run: for size in a
# release, not optimised at all under a sanitizer. That takes half of the time, and nobody can measure it in a run. What
# these folders name as COLD is compiled for size in a release, too.
set(LINNET_COMPUTES base tensor quant ops autograd kernels nn text engine train)
set(LINNET_COLD_OPTIONS "")
if(LINNET_SANITIZE)
  set(LINNET_COLD_OPTIONS -O0)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(LINNET_COLD_OPTIONS -Os)
endif()

# linnet_precompile(TARGET KIND): TARGET reads the standard library's and fmt's headers from one precompiled file, which
# every target of this KIND (speed, size, test) shares: they are most of what a source file includes, and reading them
# anew took a tenth of a build. Not where each file must show that it includes what it uses: for debugging and clang-tidy.
function(linnet_precompile target kind)
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    return()
  endif()
  set(shared linnet_precompiled_${kind})
  if(NOT TARGET ${shared})
    add_library(${shared} STATIC ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
    target_link_libraries(${shared} PRIVATE fmt::fmt nlohmann_json::nlohmann_json)
    set(headers <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <condition_variable> <cstdint> <cstring>
        <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <random> <set> <span>
        <sstream> <string> <string_view> <thread> <unordered_map> <unordered_set> <utility> <variant> <vector>
        <fmt/core.h> <fmt/format.h> <nlohmann/json.hpp>)
    if(kind STREQUAL "size")
      target_compile_options(${shared} PRIVATE ${LINNET_COLD_OPTIONS})
    elseif(kind STREQUAL "test")
      target_compile_options(${shared} PRIVATE -O0)
      target_link_libraries(${shared} PRIVATE GTest::gtest)
      list(APPEND headers <gtest/gtest.h>)
    endif()
    target_precompile_headers(${shared} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${shared})
endfunction()

# Makes `target` a part of what the target `group` builds.
function(linnet_build_with group target)
  if(NOT TARGET ${group})
    add_custom_target(${group})
  endif()
  add_dependencies(${group} ${target})
endfunction()

# TARGET is compiled fast instead of fast to run.
function(linnet_compile_cold target)
  linnet_precompile(${target} size)
  target_compile_options(${target} PRIVATE ${LINNET_COLD_OPTIONS})
endfunction()

# The sources of TARGET are compiled several at a time, which saves reading headers and making templates anew for each:
# half of a build. Not where each file must show that it includes what it uses: for debugging and clang-tidy.
function(linnet_compile_together target)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# linnet_library(NAME SOURCES ... [COLD file ...] [ALONE file ...] [DEPS layer ...] [LIBS target ...] [TESTS file ...] [THREADS]
#                [THREAD_CASES pattern] [SLOW_CASES pattern])
#   One static library per folder, linnet_NAME, and one GoogleTest program, linnet_NAME_test, from the TESTS beside
#   the sources. ALONE are those of them that call what is private to them by the same names, or are large: they are
#   compiled one by one. DEPS are the folders that NAME may include; LIBS are outside libraries. THREADS says that the
#   folder's code runs on several threads: its tests are then also run under ThreadSanitizer (label "threads"), all of
#   them or those that the GoogleTest filter THREAD_CASES names, where the others run on one thread only. SLOW_CASES
#   take minutes under a sanitizer, which would see nothing in them that other cases do not show: they are left out there.
function(linnet_library name)
  cmake_parse_arguments(ARG "THREADS" "THREAD_CASES;SLOW_CASES" "SOURCES;COLD;ALONE;DEPS;LIBS;TESTS" ${ARGN})
  add_library(linnet_${name} STATIC ${ARG_SOURCES})
  target_include_directories(linnet_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  linnet_compile_together(linnet_${name} ${ARG_ALONE})
  if(NOT name IN_LIST LINNET_COMPUTES)
    linnet_compile_cold(linnet_${name})
  else()
    linnet_precompile(linnet_${name} speed)
  endif()
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(linnet_${name} PUBLIC linnet_${dep})
  endforeach()
  target_link_libraries(linnet_${name} PUBLIC ${ARG_LIBS})
  if(ARG_COLD)
    add_library(linnet_${name}_cold OBJECT ${ARG_COLD})
    linnet_compile_together(linnet_${name}_cold ${ARG_ALONE})
    target_include_directories(linnet_${name}_cold PRIVATE $<TARGET_PROPERTY:linnet_${name},INCLUDE_DIRECTORIES>)
    target_compile_definitions(linnet_${name}_cold PRIVATE $<TARGET_PROPERTY:linnet_${name},COMPILE_DEFINITIONS>)
    if(NOT LINNET_SANITIZE)  # their tests try hard: unoptimised and watched, they would take minutes
      linnet_compile_cold(linnet_${name}_cold)
    endif()
    target_sources(linnet_${name} PRIVATE $<TARGET_OBJECTS:linnet_${name}_cold>)
  endif()
  if(ARG_TESTS)
    add_executable(linnet_${name}_test EXCLUDE_FROM_ALL ${ARG_TESTS})
    target_link_libraries(linnet_${name}_test PRIVATE linnet_${name} GTest::gtest GTest::gtest_main)
    target_compile_options(linnet_${name}_test PRIVATE -O0)
    linnet_precompile(linnet_${name}_test test)
    target_compile_definitions(linnet_${name}_test PRIVATE LINNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME unit.${name} COMMAND linnet_${name}_test)
    # GoogleTest takes one filter: the patterns to run, then "-" and those to leave out of them.
    set(filter "")
    if(ARG_THREADS AND ARG_THREAD_CASES AND LINNET_SANITIZE STREQUAL "thread")
      set(filter "${ARG_THREAD_CASES}")
    endif()
    if(ARG_SLOW_CASES AND LINNET_SANITIZE)
      string(APPEND filter "-${ARG_SLOW_CASES}")
    endif()
    if(filter)
      set_tests_properties(unit.${name} PROPERTIES ENVIRONMENT "GTEST_FILTER=${filter}")
    endif()
    linnet_build_with(unit_tests linnet_${name}_test)
    if(ARG_THREADS)
      set_tests_properties(unit.${name} PROPERTIES LABELS threads)
      linnet_build_with(threaded_tests linnet_${name}_test)
    endif()
  endif()
endfunction()
