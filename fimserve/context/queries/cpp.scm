(class_specifier name: (type_identifier) @name body: (_)) @type
(struct_specifier name: (type_identifier) @name body: (_)) @type
(union_specifier name: (type_identifier) @name body: (_)) @type
(enum_specifier name: (type_identifier) @name body: (_)) @type
(type_definition declarator: (type_identifier) @name) @type
(alias_declaration name: (type_identifier) @name) @type
(function_definition declarator: (function_declarator declarator: (identifier) @name)) @function
(function_definition declarator: (function_declarator
  declarator: (field_identifier) @name)) @function
(function_definition declarator: (function_declarator
  declarator: (qualified_identifier name: (identifier) @name))) @function
(function_definition declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @name))) @function
(declaration declarator: (function_declarator declarator: (identifier) @name)) @function
(field_declaration declarator: (function_declarator
  declarator: (field_identifier) @name)) @function
(preproc_def name: (identifier) @name) @value
(preproc_function_def name: (identifier) @name) @value
(preproc_include) @import
