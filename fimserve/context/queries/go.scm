(type_spec name: (type_identifier) @name) @type
(type_alias name: (type_identifier) @name) @type
(function_declaration name: (identifier) @name) @function
(method_declaration name: (field_identifier) @name) @function
(source_file (var_declaration (var_spec name: (identifier) @name) @value))
(source_file (const_declaration (const_spec name: (identifier) @name) @value))
(import_spec) @import
