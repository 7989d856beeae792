(class_declaration name: (identifier) @name) @type
(interface_declaration name: (identifier) @name) @type
(struct_declaration name: (identifier) @name) @type
(enum_declaration name: (identifier) @name) @type
(record_declaration name: (identifier) @name) @type
(method_declaration name: (identifier) @name) @function
(property_declaration name: (identifier) @name) @value
(using_directive) @import
